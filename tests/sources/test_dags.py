"""The DAGs of optional sources as Airflow reads them."""

from __future__ import annotations

from pathlib import Path

from foundation.settings import load_settings
from tests.integration.orchestration.test_dag import look
from transformation.run import write_manifest

READ = ("rates", "weather", "github", "posts")
SOURCES = ",".join(("adventureworks", *READ))


def test_each_source_in_use_has_a_sync_and_a_transformation_of_its_marts_alone(tmp_path: Path) -> None:
    config = load_settings({"ELT_HOME": str(tmp_path / "elt home"), "ELT_SOURCES": SOURCES})
    assert write_manifest(config)
    found = look(config, ELT_SOURCES=SOURCES)
    assert found["errors"] == {}
    for source, mart in (
        ("rates", "fct_exchange_rates"),
        ("weather", "mart_weather_sales"),
        ("github", "fct_commits"),
        ("posts", "fct_posts"),
    ):
        sync, transformation = found["dags"][f"{source}_sync"], found["dags"][f"{source}_transformation"]
        last = "freshness" if source == "posts" else "sync"
        outlets = {name: task["outlets"] for name, task in sync["tasks"].items() if task["outlets"]}
        assert outlets == {last: [f"{source}_raw"]}
        assert transformation["schedule"] == [f"{source}_raw"]
        assert f"dbt.{mart}" in transformation["tasks"]
        assert "dbt.fct_sales" not in transformation["tasks"]
    posts = found["dags"]["posts_sync"]["tasks"]
    assert {name: posts[name]["after"] for name in ("arrival", "score", "freshness")} == {
        "arrival": ["sync"],
        "score": ["arrival"],
        "freshness": ["score"],
    }
    docs = found["dags"]["adventureworks_docs"]["tasks"]
    assert [name for name in docs if "upload_docs" in docs[name]["after"]] == ["watch_docs"]
    assert docs["upload_docs"]["after"] == ["publish_docs"]
    assert docs["notify_success"]["after"] == ["watch_docs"]
