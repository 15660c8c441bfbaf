"""The source: the shop's events, from the topics of Kafka that have them."""

from source_shop_events.source import SourceShopEvents

__all__ = ["SourceShopEvents"]
