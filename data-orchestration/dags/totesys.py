"""The Airflow DAGs `totesys_sync` and `totesys_transformation`: the second company, where ELT_SOURCES has `totesys`."""

from orchestration.pipeline import source_dags

source_dags(
    "totesys",
    every="*/10 * * * *",
    about="Sales, purchases and payments of the second company, with every change of each.",
    owner="trading",
)
