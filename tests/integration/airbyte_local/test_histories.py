"""Random histories (hypothesis): writers, schema changes, syncs, cancels and kills; afterwards raw equals source.

A failure tells the seed and all steps; the seed is also in the test's name. Steps that kill after so many milliseconds go by
the clock: such a history need not end the same way twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceServer, free_port
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import Engine, stream
from tests.integration.airbyte_local.histories import (
    ADDED_TYPES,
    ALTERED,
    CAPTURE,
    CURSOR,
    FIRST,
    IN_FULL,
    LATER,
    MAX_PREPARED,
    MOMENTS,
    SESSIONS,
    STANDALONE,
    TABLES,
    History,
    Method,
    Place,
    wider,
)

SETTINGS = hypothesis.settings(
    phases=[Phase.generate],  # a history takes seconds: it is reported, not shrunk
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# What can happen, and how often compared with the others. One rule draws it: rules of their own would be switched off at random
# (hypothesis' swarm testing), and a few long histories want all of them.
WEIGHTS = {
    # writers
    "trade": 6,
    "add_lines": 3,
    "change_quantities": 4,
    "insert": 4,
    "annotate": 3,
    "change": 8,
    "delete": 2,
    "change_keys": 2,
    "truncate": 1,
    "enlarge": 2,
    "touch": 4,
    "undo_a_part": 2,
    # their transactions
    "begin": 4,
    "end": 5,
    "prepare": 2,
    "end_prepared": 2,
    # tables and streams
    "add_column": 3,
    "drop_column": 2,
    "replace_column": 2,
    "widen_column": 2,
    "add_stream": 2,
    # jobs
    "sync": 4,
    "sync_under_writes": 1,
    "sync_held": 2,
    "sync_lost": 1,
    "refresh": 1,
    "clear": 1,
    "two_starts": 1,
    "job": 5,
}
FATES = ("left", "cancelled", "killed", "cancelled", "killed", "server killed")
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]


class Machine(RuleBasedStateMachine):
    """Chooses the steps of a history. What happens in each, and what must hold, is in `histories.py`."""

    method: Method
    place: Place
    seed: int
    steps = 0  # of all histories of a test

    @initialize(order=st.permutations(FIRST), later=st.lists(st.sampled_from(LATER), unique=True))
    def start(self, order: Sequence[str], later: Sequence[str]) -> None:
        self.told = [f"streams {', '.join([*later, *order])}"]
        self.failed = False
        self.history = History(self.method, self.place, (*later, *order))

    @rule(
        kind=st.integers(0, len(KINDS) - 1),
        session=st.sampled_from(SESSIONS),
        which=st.integers(0, 11),  # among what there is at that point
        rest=st.integers(0, 2),
        number=st.integers(1, 3),
        moment=st.sampled_from(["clock", *MOMENTS]),
        milliseconds=st.integers(0, 500),
    )
    def step(
        self, kind: int, session: str, which: int, rest: int, number: int, moment: str, milliseconds: int
    ) -> None:
        choices = self.choices(session)
        possible = [name for name in KINDS if choices[name]]
        name = possible[kind % len(possible)]
        chosen = choices[name][which % len(choices[name])]
        arguments = {
            "trade": (number, which % 4, moment),
            "add_lines": (rest, moment),
            "change_quantities": (rest, number, moment),
            "insert": (number, moment),
            "annotate": (rest, moment),
            "change": (rest, which, moment),
            "delete": (rest,),
            "change_keys": (rest,),
            "enlarge": (rest, moment),
            "touch": (rest, moment),
            "undo_a_part": (number, moment),
            "end": ("rollback" if rest == 0 else "commit",),
            "end_prepared": ("rollback" if rest == 0 else "commit",),
            "job": (milliseconds / 1000,),
            "add_column": (ADDED_TYPES[which % len(ADDED_TYPES)], None if rest == 0 else which),
        }
        self.do(name, *chosen, *arguments.get(name, ()))

    def choices(self, session: str) -> dict[str, list[tuple[str, ...]]]:
        """What each kind of step can be about now, as its first arguments; none if it cannot be."""
        history, free = self.history, set(self.history.free)
        open_sessions = [(name,) for name in history.open]
        # so that a sync can be made to wait for a table, and orders be placed meanwhile
        lockable = [(name,) for name in history.streams if {name, "orders", "lines"} <= free]
        if self.method.captures:
            lockable = []  # the log is read, not the table
        added = [key for key in history.added if key[0] in free]
        sync = [()] if history.may_sync else []
        return {
            "trade": [(session,)],
            "add_lines": [(session,)],
            "change_quantities": [(session,)],
            "annotate": [(session,)],
            "insert": [(session, name) for name in STANDALONE],
            "change": [(session, name) for name in TABLES],
            "delete": [(session, name) for name in history.deletable],
            "change_keys": [(session, name) for name in history.deletable],
            "truncate": [(name,) for name in history.deletable if name in free],
            "enlarge": [(session, name) for name in TABLES],
            "touch": [(session, name) for name in TABLES],
            "undo_a_part": [(session, name) for name in STANDALONE if name != "counters"],
            "begin": [(name,) for name in SESSIONS if name not in history.open],
            "end": open_sessions,
            "prepare": open_sessions if len(history.prepared) < MAX_PREPARED else [],
            "end_prepared": [()] if history.prepared else [],
            "add_column": [(name,) for name in ALTERED if name in free],
            "drop_column": added,
            "replace_column": added,
            "widen_column": [key for key in added if wider(history.added[key])],
            "add_stream": [(name,) for name in LATER if name not in history.streams],
            "sync": sync,
            "sync_under_writes": sync,
            "refresh": [()] if history.may_refresh else [],
            "clear": [()],
            "sync_held": lockable,
            "sync_lost": lockable,
            "two_starts": lockable,
            "job": [(fate,) for fate in FATES] if history.may_sync else [],
        }

    def do(self, step: str, *arguments: object) -> None:
        """Take a step of the history; an error tells all steps up to it."""
        type(self).steps += 1
        self.told.append(f"{step}({', '.join(map(repr, arguments))})")
        try:
            getattr(self.history, step)(*arguments)
        except BaseException as error:
            self.failed = True
            # at once: hypothesis plays the history again, which need not fail again where a clock decides
            steps = "\n  ".join(self.told)
            print(f"{error}\nafter the history of seed {self.seed}, method {self.method.name}:\n  {steps}")
            raise

    def teardown(self) -> None:
        if not hasattr(self, "history"):
            return
        try:
            if not self.failed:
                self.do("finish")
        finally:
            self.history.close()


@pytest.fixture(scope="module")
def place(source_server: SourceServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The run's source server, and an API server of this module, to be killed now and then."""
    folder = tmp_path_factory.mktemp("histories")
    port = free_port()
    server = AirbyteServer(folder, port, client_id=f"histories {port}")
    server.start()
    yield Place(source_server, server, folder)
    if server.process.poll() is None:
        server.stop()


def run(method: Method, place: Place, seed: int, histories: int, steps: int) -> str:
    """So many random histories of so many steps each; returns what to tell of them."""
    machine = type("SeededMachine", (Machine,), {"method": method, "place": place, "seed": seed})
    settings = hypothesis.settings(SETTINGS, max_examples=histories, stateful_step_count=steps)
    started = time.monotonic()
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings)
    seconds = time.monotonic() - started
    return f"seed {seed}, method {method.name}: {histories} histories, {machine.steps} steps, {seconds:.0f} s"


@pytest.mark.parametrize(("method", "seed"), [(CURSOR, 1), (CAPTURE, 2)], ids=["cursor-1", "capture-2"])
def test_raw_equals_source_after_a_short_random_history(method: Method, seed: int, place: Place) -> None:
    run(method, place, seed, histories=2, steps=60)


LONG = [(CURSOR, seed) for seed in range(11, 17)] + [(CAPTURE, 21), (CAPTURE, 22), (IN_FULL, 31)]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "seed"), LONG, ids=[f"{method.name}-{seed}" for method, seed in LONG])
def test_raw_equals_source_after_long_random_histories(
    method: Method, seed: int, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(method, place, seed, histories=4, steps=100)
    with capsys.disabled():
        print(f"\n{told}", end=" ")


# -- what histories have found, each by itself


@pytest.mark.parametrize("type_", ["timestamp(0)", "timestamptz(0)", "shop.moment", "date"])
def test_a_row_committed_late_is_not_missed_where_the_cursor_is_rounded(engine: Engine, type_: str) -> None:
    """A time that is rounded down lies before the start of its transaction."""
    engine.write(
        "create domain shop.moment as timestamp(0)",
        f"create table shop.visits (id integer primary key, updated {type_})",
    )
    visits = stream("shop.visits")
    wait_until(lambda: time.time() % 1 < 0.2)
    with engine.source.connect() as late:
        late.execute("insert into shop.visits values (1, clock_timestamp())")
        engine.write("insert into shop.visits values (2, clock_timestamp() + interval '1 s')")
        engine.sync(visits)
        assert engine.raw("select id from raw_shop.visits") == [(2,)]
    engine.sync(visits)
    assert engine.raw("select id from raw_shop.visits order by id") == [(1,), (2,)]


@pytest.mark.parametrize(
    "change",
    [
        "alter table shop.orders drop column customer, add column customer varchar(50) default 'new'",
        "create table shop.others (like shop.orders including all); insert into shop.others"
        " select id, 'new', total, placed, updated from shop.orders; drop table shop.orders cascade;"
        " alter table shop.others rename to orders",
    ],
    ids=["column", "table"],
)
def test_what_takes_the_place_of_another_with_its_name_is_read_from_the_start(
    engine: Engine, change: str
) -> None:
    engine.write(
        "insert into shop.orders (id, customer, updated) values (1, 'a', '2024-01-01'), (2, 'b', '2024-01-02')"
    )
    engine.sync()
    engine.write(change)
    assert engine.sync()["orders"] == (2, 2)
    assert engine.raw("select distinct customer from raw_shop.orders") == [("new",)]
    assert engine.sync()["orders"] == (1, 0)
