"""The Airflow DAGs `github_sync` and `github_transformation`: open-source activity, where ELT_SOURCES has `github`."""

from orchestration.pipeline import source_dags

source_dags(
    "github", every="45 */6 * * *", about="Who works on orchestration tools, how much and since when."
)
