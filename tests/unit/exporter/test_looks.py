"""A scrape: what it shows of parts that answer, fail, hang, or say what nobody knows."""

import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter import looks
from exporter.looks import Looks, Part
from foundation.errors import EltError
from foundation.settings import load_settings


@pytest.fixture
def config(tmp_path):
    return load_settings({"ELT_HOME": str(tmp_path)})


def shown(scrape: Looks) -> dict[tuple[str, ...], float]:
    """By name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(scrape.text().decode())
        for sample in family.samples
    }


def well(config):
    yield "elt_disk_free_bytes", ("home",), 5
    yield "elt_stream_topic_offsets_total", ("shop.orders",), 7


def refuses(config):
    raise EltError("it is away", "start it")


def breaks(config):
    yield "elt_machine_memory_bytes", (), 1
    raise ZeroDivisionError("by a fault of ours")


def unknown(config):
    yield "elt_of_no_catalogue", (), 1


def test_a_part_that_fails_is_a_figure_and_the_others_are_shown(config, capsys):
    asked = {
        name: Part(ask, 60) for name, ask in (("a", well), ("b", refuses), ("c", breaks), ("d", unknown))
    }
    found = shown(Looks(config, lambda: asked))
    assert {name: found["elt_up", name] for name in asked} == {"a": 1, "b": 0, "c": 0, "d": 0}
    assert found["elt_disk_free_bytes", "home"] == 5
    assert found["elt_stream_topic_offsets_total", "shop.orders"] == 7
    assert ("elt_machine_memory_bytes",) not in found  # half of an answer is none
    said = capsys.readouterr().out
    assert "exporter: b: it is away" in said and "exporter: c: ZeroDivisionError" in said


def test_a_part_that_hangs_costs_bounded_time_and_is_not_asked_again_meanwhile(config, monkeypatch):
    monkeypatch.setattr(looks, "LIMIT_SECONDS", 1.0)
    release, asked = threading.Event(), []

    def hangs(config):
        asked.append(1)
        release.wait(30)
        return ()

    scrape = Looks(config, lambda: {"slow": Part(hangs, 0), "quick": Part(well, 0)})
    started = time.monotonic()
    first, second = shown(scrape), shown(scrape)
    assert time.monotonic() - started < 10
    assert [found["elt_up", "slow"] for found in (first, second)] == [0, 0]
    assert [found["elt_up", "quick"] for found in (first, second)] == [1, 1]
    assert len(asked) == 1
    release.set()
    monkeypatch.setattr(looks, "LIMIT_SECONDS", 20)
    assert shown(scrape)["elt_up", "slow"] == 1


def test_a_part_is_not_asked_again_while_its_answer_is_good(config):
    asked = []

    def counts(config):
        asked.append(1)
        return ()

    good_for = {"rests": 60.0, "often": 0.0}
    scrape = Looks(config, lambda: {name: Part(counts, seconds) for name, seconds in good_for.items()})
    for _ in range(3):
        assert shown(scrape)["elt_up", "rests"] == 1
    assert len(asked) == 1 + 3


def test_a_part_that_nobody_started_is_not_shown(config):
    found = shown(Looks(config, lambda: looks.parts(config, looks.Airflow(), looks.lane.Kafka())))
    assert {labels[0] for name, *labels in found if name == "elt_up"} == {"machine", "monitoring"}
    assert found["elt_published_data_deadline_seconds",] == 3600
    assert found["elt_disk_free_bytes", "home"] > 0
