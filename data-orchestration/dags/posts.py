"""The Airflow DAGs `posts_sync` and `posts_transformation`: posts about data tools, where ELT_SOURCES has `posts`."""

from orchestration.pipeline import source_dags
from orchestration.tasks import arrival_task, gate_task, score_posts_task

AFTER_SYNC = """
`arrival` fails when raw lacks lines of a file, and names it: the connector passes over a file that is not UTF-8. `score` gives each new text a score of how it sounds; if it fails, another writer keeps the warehouse, or the disk is full.
`freshness` fails when the newest post is older than two days, and nothing is built: ask who writes the files (on one machine
`elt posts drop` does), see that they arrive in the bucket, then start a new run.
"""

source_dags(
    "posts",
    every="5 */3 * * *",
    about="What people say about data tools, and how it sounds.",
    owner="marketing",
    after_sync=(arrival_task, score_posts_task, lambda: gate_task("posts")),
    after_sync_doc=AFTER_SYNC,
)
