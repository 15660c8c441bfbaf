"""The shape of each kind of file: which value is a text, which a list. What the values name is looked for afterwards (`check`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from airbyte_config.documents import At, Document, complaint

SEE = "infrastructure/preset/README.md"
Text = Annotated[str, Field(min_length=1)]
Words = Text | dict[str, Any] | list[Any]  # a value, or a reference to one


class _Shape(BaseModel):
    """Fields that are not named here may have any value: `check` knows the fields."""

    model_config = ConfigDict(extra="allow", strict=True)


class Uri(_Shape):
    driver: Text
    database: Words
    username: Words = ""
    host: Words = ""
    query: dict[str, Any] = {}


class Database(_Shape):
    name: Text
    catalog: Words = ""  # none, where the engine has none
    schema_: Words = Field("", alias="schema")  # of its datasets
    password: Words = ""
    uri: Uri
    connect_args: dict[str, Any] = {}


class Named(_Shape):
    """A column or a metric."""

    sql: Text | None = None
    label: Text | None = None
    description: Text | None = None
    format: Text | None = None
    change_of: Text | None = None
    points_of: Text | None = None


class Dataset(_Shape):
    description: Text
    table: Text | None = None
    sql: Text | None = None
    time: Text | None = None
    compares: Text | None = None
    by: Text | None = None
    shift: Text | None = None
    keeps: list[Text] = []
    where: Text | None = None
    columns: dict[str, Named | None]
    metrics: dict[str, Named | None] = {}


class Chart(_Shape):
    viz: Text
    dataset: Text
    description: str | None = None
    params: dict[str, Any]
    where: list[str | dict[str, Any]] = []


class Item(_Shape):
    width: int = Field(ge=1, le=12)
    chart: Text | None = None
    text: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Item:
        if (self.chart is None) == (self.text is None):
            raise ValueError("an item has either a chart or a text")
        return self


class Row(_Shape):
    height: int = Field(ge=1)
    items: list[Item]


class Filter(_Shape):
    name: Text
    type: Literal["time", "select"]
    dataset: Text | None = None
    column: Text | None = None
    within: list[Text] = []
    default: Literal["last"] | None = None
    excluding: list[Text] = []

    @model_validator(mode="after")
    def _of_a_column(self) -> Filter:
        if self.type != "time" and not (self.dataset and self.column):
            raise ValueError("a filter of this type has a dataset and a column")
        return self


class Dashboard(_Shape):
    title: Text
    description: Text
    rows: list[Row] = []
    filters: list[Filter] = []
    refresh_seconds: int = Field(0, ge=0)
    embedded: bool = False


class Charts(_Shape):
    """What charts share: all of them, and those of a type."""

    all: dict[str, Any]
    __pydantic_extra__: dict[str, dict[str, Any] | None]


class Style(_Shape):
    color_scheme: Text
    colors: dict[str, Text]
    css: str
    charts: Charts


def check_shape(document: Document, shape: type[_Shape], at: At = (), data: Any = None) -> None:
    """Raises EltError, naming file, line and field, at the first value that is missing or of another type."""
    try:
        shape.model_validate(document.data if data is None else data)
    except ValidationError as error:
        raise complaint(document, at, error, SEE) from None
