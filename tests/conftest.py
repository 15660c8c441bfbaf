"""Fixtures are in rooms of their own: each starts its server once per run, on a free port, away from any demo."""

pytest_plugins = [
    "tests.fixtures.source",
    "tests.fixtures.airbyte",
    "tests.fixtures.sink",
    "tests.fixtures.stack",
]
