"""The source: the events of the shop's web site."""

from source_web_events.source import SourceWebEvents

__all__ = ["SourceWebEvents"]
