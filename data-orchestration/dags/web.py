"""The Airflow DAGs `web_sync` and `web_transformation`: the traffic of the shop's web site, where ELT_SOURCES has `web`."""

from orchestration.pipeline import source_dags

source_dags("web", every="*/5 * * * *", about="How visits of the web site become orders.")
