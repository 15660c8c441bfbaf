"""Streams with mappers, from files: applied without drift, synced, and compared with the source as they land."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

from airbyte_config.documents import DIRECTORY
from airbyte_config.jobs import sync
from airbyte_config.verify import verify
from tests.integration.airbyte_config.conftest import Chain

EXAMPLE = DIRECTORY / "examples" / "personal_data"
EMAILS = "people_person.emailaddress"


def test_personal_data_is_hashed_before_it_reaches_the_warehouse(chain: Chain) -> None:
    chain.site.apply(EXAMPLE)
    assert (
        chain.site.elt("airbyte", "drift", "--ignore-unknown", "--connections", str(EXAMPLE)).returncode == 0
    )
    sync("people", settings=chain.settings)
    with chain.source.connect() as source:
        ((email,),) = source.execute(
            "select emailaddress from person.emailaddress order by businessentityid limit 1"
        ).fetchall()
    with duckdb.connect(chain.settings.warehouse_path, read_only=True) as raw:
        found = raw.execute(
            f"select emailaddress_hashed from {EMAILS} order by businessentityid limit 1"
        ).fetchall()
        assert found == [(hashlib.sha256(email.encode()).hexdigest(),)]
    assert email.encode() not in Path(chain.settings.warehouse_path).read_bytes()
    results = {one.stream: one for one in verify("people", directory=EXAMPLE, settings=chain.settings)}
    assert {name: one.equal for name, one in results.items()} == dict.fromkeys(results, True)
    assert (
        results["humanresources.employee"]
        .line()
        .endswith("; not compared: birthdate_hashed (hashed with SHA-512)")
    )
    assert results["person.personphone"].source_rows > 100
    with duckdb.connect(chain.settings.warehouse_path) as raw:
        raw.execute(f"update {EMAILS} set emailaddress_hashed = 'x' where businessentityid = 1")
        raw.execute("delete from people_humanresources.employee where businessentityid = 2")
    differing = {
        one.stream: one
        for one in verify("people", directory=EXAMPLE, settings=chain.settings)
        if not one.equal
    }
    assert set(differing) == {"person.emailaddress", "humanresources.employee"}
    assert differing["person.emailaddress"].keys == (
        "businessentityid=1, emailaddressid=1 differs in emailaddress_hashed",
    )
    assert (differing["humanresources.employee"].missing, differing["humanresources.employee"].extra) == (
        1,
        0,
    )
