"""docs/security.md: its inventories are those of the settings, the connection and the models."""

import json
import re

import pytest
import yaml

from foundation.settings import GENERATED, ROOT, Settings
from tests import threats

PAGE = (ROOT / "docs/security.md").read_text()
SECRETS = {
    name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
}
ELSEWHERE = {
    "AIRFLOW_CONN_SLACK_DEFAULT",
    "AIRFLOW_CONN_SMTP_DEFAULT",
}  # no settings of ours
SCHEMA = json.loads((ROOT / "data-integration/adventureworks/schema.json").read_text())
STREAMS = {
    f"{stream['namespace']}.{stream['name']}": stream.get("selectedFields")
    for stream in yaml.safe_load(
        (ROOT / "data-integration/connections/connections/adventureworks.yaml").read_text()
    )["streams"]
}
# what a column that describes a person is called
PERSONAL = re.compile(
    r"firstname|middlename|lastname|suffix|emailaddress$|emailpromotion|phonenumber$|passwordhash|passwordsalt|addressline"
    r"|spatiallocation|birthdate|gender|maritalstatus|nationalid|cardnumber|approvalcode|contactinfo|resume|reviewername|loginid"
)
STEPS = ["source", "raw", "masked", "marts", "restricted"]


def rows(title):
    """The table under a heading, cell by cell."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    [text] = [part for part in section if part.startswith(title)]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def people():
    return {row[0].strip("`"): row[2] for row in rows("Personal data")}


def code_of(table):
    """SQL of the staging models that read a source table, without comments."""
    schema, name = table.split(".")
    found = [
        re.sub(r"--.*", "", file.read_text())
        for file in (ROOT / "data-transformation/models/staging").rglob("*.sql")
        if f"source('adventureworks_{schema}', '{name}')" in file.read_text()
    ]
    assert found, table
    return "\n".join(found)


def test_every_secret_is_in_the_inventory_and_no_other():
    assert len(rows("Secrets")) == len(SECRETS | ELSEWHERE)
    assert {row[0].strip("`") for row in rows("Secrets")} == SECRETS | ELSEWHERE


def test_the_inventory_says_which_secrets_a_machine_makes_for_itself():
    made = {row[0].strip("`") for row in rows("Secrets") if row[2].startswith("machine")}
    assert made == set(GENERATED)


def test_the_inventory_says_which_secrets_terraform_makes():
    text = (ROOT / "infrastructure/terraform/modules/secrets/main.tf").read_text()
    made = set(re.findall(r'"([A-Z_]+)"', re.search(r"made = toset\((.*?)\)", text, re.DOTALL)[1]))
    assert made == {row[0].strip("`") for row in rows("Secrets") if "Terraform" in row[2]}


def test_every_column_that_describes_a_person_is_in_the_inventory():
    found = {
        f"{table}.{column}"
        for table, described in SCHEMA.items()
        for column in described["columns"]
        if PERSONAL.search(column) and not table.endswith("type")
    }
    assert len(found) > 15
    assert found <= set(people())


@pytest.mark.parametrize("column", people())
def test_a_column_comes_as_far_as_the_inventory_says(column):
    table, _, name = column.rpartition(".")
    assert name in SCHEMA[table]["columns"]
    step = people()[column]
    assert step in STEPS
    synced = table in STREAMS and (STREAMS[table] is None or name in STREAMS[table])
    assert synced == (step != "source")
    if step == "raw":
        marts = "\n".join(
            file.read_text() for file in (ROOT / "data-transformation/models/marts").glob("*.sql")
        )
        for line in code_of(table).splitlines():
            if re.search(rf"\b{name}\b", line):
                alias = re.search(r" as (\w+),?$", line)  # what becomes of it, alone or with others
                assert not re.search(rf"\b{alias[1] if alias else name}\b", marts), line
    if step == "masked":
        assert re.search(rf"mask_\w+\('{name}'\)", code_of(table))
        assert not re.search(rf"^\s*{name}\b", code_of(table), re.MULTILINE)
    if step in ("marts", "restricted"):
        assert re.search(rf"\b{name}\b", code_of(table))


def test_the_table_of_threats_is_what_the_tests_say():
    assert threats.page() == PAGE, "run `python -m tests.threats`"
    assert len(threats.marked()) > 10
