"""Mappers as the API takes them: Airbyte's names and values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Name = Annotated[str, Field(min_length=1)]
TAGS = frozenset(
    {
        "hashing",
        "field-renaming",
        "field-filtering",
        "row-filtering",
        "encryption",
        "EQUAL",
        "NOT",
        "AES",
        "RSA",
    }
)  # pydantic puts them into the path of a field; Airbyte's clients know no such field


class _Strict(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Hash(_Strict):
    target_field: Name
    method: Literal["MD5", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"]
    field_name_suffix: str = ""


class Rename(_Strict):
    original_field_name: Name
    new_field_name: Name


class Drop(_Strict):
    target_field: Name


class Equal(_Strict):
    """A row without a value is not equal to any."""

    type: Literal["EQUAL"]
    field_name: Name
    comparison_value: str


class Not(_Strict):
    """None of the conditions."""

    type: Literal["NOT"]
    conditions: list[Equal] = Field(min_length=1)


class Filter(_Strict):
    """Which rows stay."""

    conditions: Annotated[Equal | Not, Field(discriminator="type")]


class Aes(_Strict):
    algorithm: Literal["AES"]
    target_field: Name
    field_name_suffix: str = ""
    key: str
    mode: Literal["CBC", "CTR", "GCM"]
    padding: Literal["NoPadding", "PKCS5Padding"]


class Rsa(_Strict):
    algorithm: Literal["RSA"]
    target_field: Name
    field_name_suffix: str = ""
    public_key: str


class _Mapper(_Strict):
    id: str | None = None


class HashMapper(_Mapper):
    type: Literal["hashing"]
    mapper_configuration: Hash


class RenameMapper(_Mapper):
    type: Literal["field-renaming"]
    mapper_configuration: Rename


class DropMapper(_Mapper):
    type: Literal["field-filtering"]
    mapper_configuration: Drop


class FilterMapper(_Mapper):
    type: Literal["row-filtering"]
    mapper_configuration: Filter


class EncryptMapper(_Mapper):
    type: Literal["encryption"]
    mapper_configuration: Annotated[Aes | Rsa, Field(discriminator="algorithm")]


Mapper = Annotated[
    HashMapper | RenameMapper | DropMapper | FilterMapper | EncryptMapper, Field(discriminator="type")
]


class Mappers(_Strict):
    """A stream's mappers, in the order in which they are applied."""

    mappers: list[Mapper] = []
