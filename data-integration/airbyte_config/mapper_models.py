"""Mappers of a file as Airbyte's client has them."""

from __future__ import annotations

from typing import Any

from airbyte_api import models

TYPE = models.StreamMapperType
CONFIGURATIONS: dict[models.StreamMapperType, type[Any]] = {
    TYPE.HASHING: models.HashingMapperConfiguration,
    TYPE.FIELD_RENAMING: models.FieldRenamingMapperConfiguration,
    TYPE.FIELD_FILTERING: models.FieldFilteringMapperConfiguration,
    TYPE.ROW_FILTERING: models.RowFilteringMapperConfiguration,
    TYPE.ENCRYPTION: models.EncryptionMapperRSAConfiguration,  # the other kind has a key, which no file may hold
}


def mapper_model(mapper: dict[str, Any]) -> models.ConfiguredStreamMapper:
    """The SDK's model of a mapper. Raises ValueError; built from a mapping alone, the SDK reads only those that encrypt."""
    kind = TYPE(mapper.get("type"))
    configuration = CONFIGURATIONS[kind].model_validate(mapper.get("mapperConfiguration") or {})
    return models.ConfiguredStreamMapper(type=kind, mapper_configuration=configuration, id=mapper.get("id"))
