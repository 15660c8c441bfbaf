"""The Airflow DAGs `weather_sync` and `weather_transformation`: weather of the shop's cities, where ELT_SOURCES has `weather`."""

from orchestration.pipeline import source_dags

source_dags("weather", every="15 * * * *", about="What rain and heat do to orders.")
