"""Pages that are made from the dbt project and the settings."""

from __future__ import annotations

import pytest

from elt.pages import DOCS, PAGES, bus_matrix, configuration, dictionary
from foundation.settings import Settings
from transformation.marts import marts
from transformation.project import files_of


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_project_says(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run `python -m elt.pages`"


def test_every_mart_is_in_the_dictionary_with_all_its_columns() -> None:
    models = {path.stem for path in files_of("models/marts", "*.sql")}
    assert {mart.name for mart in marts()} == models
    page = dictionary()
    for mart in marts():
        assert f"## {mart.name}\n" in page
        assert all(column["description"] for column in mart.columns)
    columns = page.partition("\n## ")[2]
    assert columns.count("\n| `") == sum(len(mart.columns) for mart in marts())


def test_every_fact_is_in_the_dictionary_with_its_keys() -> None:
    tables = dictionary().partition("\n## ")[0]
    [quotas] = [line for line in tables.splitlines() if line.startswith("| `fct_sales_quotas`")]
    assert quotas.endswith(
        "| periodic snapshot | `salesperson_key` → dim_salesperson, `quota_date_key` → dim_date |"
    )
    [vendors] = [line for line in tables.splitlines() if line.startswith("| `dim_vendor`")]
    assert vendors.endswith("| `fct_purchases` |")


def test_the_matrix_shows_facts_on_shared_dimensions() -> None:
    table = [line.split("|")[1:-1] for line in bus_matrix().splitlines()]
    names, _, *rows = [[cell.strip(" `") for cell in line] for line in table]
    cells = {row[1]: dict(zip(names, row, strict=True)) for row in rows}
    assert cells["fct_sales"]["date"] == "●3"
    assert cells["fct_sales"]["ship method"] == cells["fct_purchases"]["ship method"] == "●"
    assert cells["fct_purchases"]["vendor"] == "●"
    assert cells["fct_sales"]["vendor"] == ""


def test_pay_is_marked_as_restricted() -> None:
    assert [mart.name for mart in marts() if mart.schema == "marts_restricted"] == ["fct_employee_pay"]


def test_every_setting_is_in_the_reference_and_no_secret_has_a_default_there() -> None:
    rows = dict(line.split(" | ")[:2] for line in configuration().splitlines() if line.startswith("| `"))
    assert set(rows) == {f"| `{name.upper()}`" for name in Settings.model_fields}
    for name, default in rows.items():
        if name.endswith(("PASSWORD`", "SECRET`", "_KEY`", "TOKEN`")) and "PRESET_API_TOKEN" not in name:
            assert default in ("generated", "empty, a secret", "empty"), name
