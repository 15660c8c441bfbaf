"""A lake on object storage: store, manifests, shapes, files and conform are its rooms, the session joins them."""

from airbyte_local.destinations.lake.session import LakeDestination

__all__ = ["LakeDestination"]
