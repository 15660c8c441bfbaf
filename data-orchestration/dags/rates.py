"""The Airflow DAGs `rates_sync` and `rates_transformation`: exchange rates, where ELT_SOURCES has `rates`."""

from orchestration.pipeline import source_dags

source_dags("rates", every="30 * * * *", about="What currencies are worth, day by day.")
