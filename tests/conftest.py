"""Fixtures are in rooms of their own: each starts its server once per run, on a free port, away from any demo."""

import signal

pytest_plugins = [
    "tests.fixtures.source",
    "tests.fixtures.postgres_versions",
    "tests.fixtures.airbyte",
    "tests.fixtures.sink",
    "tests.fixtures.snowflake",
    "tests.fixtures.stack",
    "tests.fixtures.collector",
    "tests.fixtures.site",
    "tests.fixtures.web",
    "tests.fixtures.clones",
]

# a shell's `&` hands down an ignored SIGINT to all that it starts; tests that send one mean it to be heard
signal.signal(signal.SIGINT, signal.default_int_handler)
