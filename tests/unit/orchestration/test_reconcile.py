"""What the task makes of a comparison: a difference fails it for good, a warehouse that can't be read here is only said."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airbyte_config.reconcile import NotReconciledError
from airbyte_config.row_comparison import StreamResult
from airbyte_config.verify import NotComparableError
from orchestration import sync


@pytest.fixture
def reconcile(monkeypatch):
    """Runs the task on a comparison that ends so."""

    def execute(outcome):
        def compare(connection, since, sync_again, report):
            assert (connection, since) == ("adventureworks", "10:12:")
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(sync, "reconcile", compare)
        operator = sync.ReconcileOperator(task_id="reconcile", connection="adventureworks", deferrable=False)
        pulled = SimpleNamespace(xcom_pull=lambda task_ids, key: "10:12:")
        return operator.execute({"ti": pulled})

    return execute


def test_equal_streams_are_counted(reconcile):
    assert reconcile([StreamResult("sales.currency", 105, 105, "a", "a")]) == {"streams": 1, "rows": 105}


def test_a_difference_is_not_tried_again(reconcile):
    result = StreamResult(
        "sales.currency", 105, 104, "a", "b", missing=1, keys=("currencycode=USD is missing in raw",)
    )
    with pytest.raises(AirflowFailException, match="currencycode=USD is missing in raw"):
        reconcile(NotReconciledError([result]))


def test_a_warehouse_that_is_not_read_here_is_said_and_the_run_goes_on(reconcile, capsys):
    assert reconcile(NotComparableError("verify can't read a snowflake destination yet")) == {
        "streams": 0,
        "rows": 0,
    }
    assert "not reconciled: verify can't read a snowflake destination yet" in capsys.readouterr().out
