"""Airbyte's sources, destinations and connections as files: apply them, run them, check what arrived."""
