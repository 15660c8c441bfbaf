"""Interrupts and bad data on a whole stack: slow, therefore in `make test-all`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

import duckdb
import pytest

from foundation.settings import ROOT
from orchestration.publish import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# a demo of this size lasts about two minutes here: one moment in each of its phases, drawn in each run
PHASES = ((0.2, 2), (2, 8), (8, 16), (16, 30), (30, 50), (50, 80))


@pytest.fixture(scope="module")
def shop(make_stack):
    """A small stack that nobody started yet."""
    stack = make_stack("faults", ELT_SCHEDULE="manual", AW_SCALE="0.02")
    yield stack
    stack.elt("down")


def test_ctrl_c_at_any_second_of_the_demo_leaves_a_machine_on_which_the_demo_works(shop):
    seed = int(os.environ.get("ELT_TEST_SEED") or random.randrange(10**6))
    print(f"seed {seed}; ELT_TEST_SEED={seed} repeats it")
    chance = random.Random(seed)
    for early, late in PHASES:
        moment = chance.uniform(early, late)
        demo = subprocess.Popen(
            [sys.executable, "-m", "elt.cli", "demo"],
            env=shop.environ,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            demo.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(
                demo.pid, signal.SIGINT
            )  # as a terminal does: the demo and what it runs in the foreground
        output, _ = demo.communicate(timeout=120)
        assert demo.returncode in (0, 130), f"after {moment:.1f} s: {output[-3000:]}"
        assert "Traceback" not in output, f"after {moment:.1f} s: {output[-3000:]}"
        if demo.returncode == 130:
            assert shop.processes() == [], f"after {moment:.1f} s"
    done = shop.elt("demo")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "what the second run changed" in done.stdout
    verify = shop.elt("airbyte", "verify")
    assert verify.returncode == 0, verify.stdout


def test_a_failed_data_test_is_reported_by_name_and_analysts_keep_the_last_good_version(shop):
    if shop.elt("status").returncode:
        assert shop.elt("demo", SHOP="off").returncode == 0
    before = [version.number for version in versions(shop.settings)]
    with duckdb.connect(shop.settings.warehouse_path) as warehouse:
        warehouse.execute("insert into marts.fct_orders from marts.fct_orders limit 1")
    run = shop.elt("run", "--select", "fct_orders")
    assert run.returncode == 1 and "primary_key_fct_orders_order_key: 1 row" in run.stderr, (
        run.stdout + run.stderr
    )
    last = (shop.home / "sink" / "messages.jsonl").read_text().splitlines()[-1]
    assert "primary_key_fct_orders_order_key" in last
    assert [version.number for version in versions(shop.settings)] == before

    again = shop.elt("run", "--everything")
    assert again.returncode == 0, again.stdout + again.stderr
    assert versions(shop.settings)[-1].number == before[-1] + 1
