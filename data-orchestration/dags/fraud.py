"""The Airflow DAGs `fraud_training` and `fraud_drift`: the model that scores payments by card, where ELT_SOURCES has `stream`."""

from datetime import timedelta

from airflow.sdk import DAG

from foundation.settings import settings
from orchestration.defaults import DAG_ARGUMENTS
from orchestration.tasks import fraud_drift_task, fraud_training_task

TRAINING = """
### Fraud: training

**Purpose.** Every week: build the features of the payments that ClickHouse has, train a model, compare it on days that were held out with
the one that scores now. The better one scores from then on; `elt stream train` does the same by hand.

**Owner.** payments, Slack channel of the connection `slack_default`.

**When it fails.** Payments are scored as before. **What to do.** The message has the reason: mostly the lane is down (`elt up stream`),
or it has run for too few days.
"""
DRIFT = """
### Fraud: drift

**Purpose.** Every day: compare the payments of the last day with those from which the model learned (population stability index). It is
skipped where no model is promoted, or it has scored fewer than a thousand payments.

**Owner.** payments, Slack channel of the connection `slack_default`.

**When it fails.** Payments look otherwise than the model knows: its scores mean less. **What to do.** Start `fraud_training`; if that
does not help, see what has changed (`elt stream drift` names the features).
"""
ARGUMENTS = {**DAG_ARGUMENTS, "tags": ["stream", "fraud"]}
ARGUMENTS["default_args"] = {**ARGUMENTS["default_args"], "owner": "payments"}
MANUAL = settings().elt_schedule == "manual"

if "stream" in settings().sources:
    with DAG(
        dag_id="fraud_training",
        description="A model of fraud by card",
        doc_md=TRAINING,
        schedule=None if MANUAL else "23 4 * * 1",
        dagrun_timeout=timedelta(hours=2),
        **ARGUMENTS,
    ):
        fraud_training_task()
    with DAG(
        dag_id="fraud_drift",
        description="Payments against those that the model knows",
        doc_md=DRIFT,
        schedule=None if MANUAL else "53 3 * * *",
        dagrun_timeout=timedelta(minutes=30),
        **ARGUMENTS,
    ):
        fraud_drift_task()
