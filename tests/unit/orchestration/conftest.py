"""Before anything here imports Airflow, it has a home."""

from tests.fixtures import airflow_home  # noqa: F401
