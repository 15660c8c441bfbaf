"""The breakages: each a small edit of the code that breaks one promise of the README or of the design, and nothing else.

A new promise brings a breakage with it, and the cheapest tests that catch it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Breakage:
    """One edit. `old` is exactly once in `file`; `tests` are the cheapest that are to catch it."""

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


LOCAL = "data-integration/airbyte_local"
MODELS = "data-transformation/models"
MACROS = "data-transformation/macros"
DAGS = "data-orchestration/orchestration"

CAPTURE = "tests/integration/airbyte_local/test_capture.py"
CURSOR = "tests/unit/airbyte_local/test_cursor.py"
CURSOR_SYNC = "tests/integration/airbyte_local/test_cursor_sync.py"
SYNC_MODES = "tests/integration/airbyte_local/test_modes.py"
SHOP = "tests/integration/transformation/test_small_shop.py"  # its first build runs every test of dbt
PUBLISH = "tests/integration/orchestration/test_publish.py"
DAG = "tests/integration/orchestration/test_dag.py"

BREAKAGES = (
    # ------------------------------------------------------------------------------------------------------------ sync
    Breakage(
        "lost-delete",
        "a row deleted in the source stays in raw with _ab_cdc_deleted_at set",
        f"{LOCAL}/destinations/duckdb/captured_changes.py",
        """CDC_DELETED_AT: f"case when s.{op} = 1 then s.{at} end",""",
        """CDC_DELETED_AT: "null",""",
        (f"{CAPTURE}::test_a_deleted_row_stays_with_its_key_and_the_time",),
    ),
    Breakage(
        "older-change-wins",
        "of several changes of a key the last one counts",
        f"{LOCAL}/destinations/duckdb/captured_changes.py",
        "order by seq desc) = 1",
        "order by seq) = 1",
        (f"{CAPTURE}::test_many_changes_of_one_key_come_down_to_the_last",),
    ),
    Breakage(
        "older-row-stays",
        "deduplication keeps the row with the greatest cursor",
        f"{LOCAL}/destinations/duckdb/merge.py",
        """[f"{quoted(plan.cursor.name)} desc nulls last"] if plan.cursor""",
        """[f"{quoted(plan.cursor.name)} asc nulls last"] if plan.cursor""",
        (f"{CURSOR_SYNC}::test_a_key_that_the_source_does_not_keep_unique_is_deduplicated",),
    ),
    Breakage(
        "row-lost-at-the-boundary",
        "rows that share the saved cursor value are read again: none is lost",
        f"{LOCAL}/sources/postgres/cursor.py",
        """sql.SQL("{} >= {}::{}")""",
        """sql.SQL("{} > {}::{}")""",
        (f"{CURSOR}::test_the_bound_is_inclusive_and_nulls_are_read",),
    ),
    Breakage(
        "row-doubled-at-the-boundary",
        "a row read again at the boundary is not appended twice",
        f"{LOCAL}/destinations/duckdb/merge.py",
        "where {field} >= {literal(cursor)}",
        "where {field} > {literal(cursor)}",
        (f"{SYNC_MODES}::test_append_takes_what_shares_the_boundary_value_and_leaves_what_was_delivered",),
    ),
    Breakage(
        "late-commit-missed",
        "the cursor never passes a transaction that is still open: what it commits later arrives",
        f"{LOCAL}/sources/postgres/cursor.py",
        "    reached = min(greatest, watermark.bound(column))",
        "    reached = greatest",
        (f"{CURSOR}::test_the_lesser_of_greatest_and_w_is_saved",),
    ),
    Breakage(
        "parts-that-readers-see",
        "a sync that is committed in parts shows none of them before its end",
        f"{LOCAL}/destinations/duckdb/drafts.py",
        """            self._connection.execute("commit; checkpoint; begin")\n""",
        """            self.take_place()
            self._connection.execute("commit; checkpoint; begin")\n""",
        (
            "tests/integration/airbyte_local/test_wide.py::test_a_job_that_is_killed_before_its_commit_changes_nothing",
        ),
    ),
    Breakage(
        "child-without-parent",
        "all streams of a sync are read in one snapshot",
        f"{LOCAL}/sources/postgres/snapshot.py",
        """            f"set transaction snapshot '{self._id}'",\n""",
        """            "commit",\n""",
        (f"{CURSOR_SYNC}::test_a_child_never_arrives_without_its_parent",),
    ),
    Breakage(
        "state-without-data",
        "data and state commit in one transaction",
        f"{LOCAL}/destinations/duckdb/session.py",
        "            state.write(self._connection, key, reached, self._job_id, at)\n",
        """            if ("airbyte_internal", "state") in self._catalogue:
                self._connection.execute("rollback; begin")
            state.write(self._connection, key, reached, self._job_id, at)\n""",
        (f"{CURSOR_SYNC}::test_first_sync_brings_every_row_and_the_next_only_what_changed",),
    ),
    Breakage(
        "state-apart-from-data",
        "data and state commit in one transaction, whenever the job is killed",
        f"{LOCAL}/destinations/duckdb/session.py",
        "            state.write(self._connection, key, reached, self._job_id, at)\n",
        """            self._connection.execute("commit; begin")
            state.write(self._connection, key, reached, self._job_id, at)\n""",
        (f"{CURSOR_SYNC}::test_without_the_position_no_row_is_kept_either",),
    ),
    Breakage(
        "slot-moves-before-the-commit",
        "the replication slot moves on only when the data is committed",
        f"{LOCAL}/sync.py",
        "            warehouse.commit(reached, record if len(context.plans) == configured else None)\n"
        "        report.committed()",
        """            if capture is not None:
                capture.advance(reached.position["captured"])
            warehouse.commit(reached, record if len(context.plans) == configured else None)
        report.committed()""",
        (f"{CAPTURE}::test_the_slot_moves_on_only_after_the_commit",),
    ),
    Breakage(
        "unquoted-identifier",
        "names of schemas, tables and columns may be anything",
        "infrastructure/foundation/quoting.py",
        """return '"' + name.replace('"', '""') + '"'""",
        "return name",
        (f"{CURSOR_SYNC}::test_the_driver_is_not_confused_by_quotes_in_names",),
    ),
    Breakage(
        "numeric-through-float",
        "types are lossless: a decimal arrives as the same decimal",
        f"{LOCAL}/destinations/duckdb/types.py",
        "    held = digits(type_)\n    if held is not None and type_ not in INTEGER_DIGITS",
        '    held = digits(type_)\n    name = f"cast({name} as double)" if held else name\n'
        "    if held is not None and type_ not in INTEGER_DIGITS",
        ("tests/integration/airbyte_local/test_tables.py::test_every_type_arrives_lossless",),
    ),
    Breakage(
        "second-job-of-a-connection",
        "a second sync of a running connection is a 409, not a second job",
        f"{LOCAL}/store/database.py",
        "create unique index one_active_job",
        "create index one_active_job",
        ("tests/unit/airbyte_local/test_store.py::test_a_connection_has_one_active_job",),
    ),
    Breakage(
        "conflict-not-adopted",
        "the sync task waits for the job that runs already",
        f"{DAGS}/sync.py",
        "isinstance(cause, AirbyteAPIError) and cause.status_code == CONFLICT",
        "False",
        ("tests/integration/orchestration/test_sync.py::test_a_sync_that_runs_already_is_waited_for",),
    ),
    Breakage(
        "writer-without-lease",
        "every writer of the warehouse holds the lease: the sync job",
        f"{LOCAL}/destinations/duckdb/session.py",
        """        with lease(self.path, f"sync job {job_id}", wait):\n""",
        """        if True:\n""",
        ("tests/integration/airbyte_local/test_tables.py::test_a_warehouse_in_use_says_by_whom",),
    ),
    Breakage(
        "dbt-without-lease",
        "every writer of the warehouse holds the lease: dbt, typed by hand, too",
        "data-transformation/transformation/dbt_lease.py",
        "    if warehouse in _held:\n",
        "    if True:\n",
        (
            "tests/integration/transformation/test_running_dbt.py::test_dbt_by_hand_asks_for_the_lease_and_builds_in_the_developers_schemas",
        ),
    ),
    Breakage(
        "difference-not-seen",
        "raw that differs from the source is reported, by key",
        "data-integration/airbyte_config/row_comparison.py",
        """return not self.reason and (self.source_rows, self.source_checksum) == (
            self.raw_rows,
            self.raw_checksum,
        )""",
        "return not self.reason and self.source_rows == self.raw_rows",
        ("tests/integration/airbyte_config/test_verify.py::test_a_changed_cell_is_found_by_key_and_column",),
    ),
    # --------------------------------------------------------------------------------------------------------- secrets
    Breakage(
        "secret-in-a-log",
        "no secret is in a job's log",
        f"{LOCAL}/jobs/report.py",
        "return redacted(super().format(record), self._secrets)",
        "return super().format(record)",
        ("tests/unit/airbyte_local/test_secrets.py::test_no_log_line_holds_a_secret_not_even_a_traceback",),
    ),
    Breakage(
        "secret-in-an-answer",
        "no secret is in an answer of the API",
        f"{LOCAL}/api/actors.py",
        "masked(row.configuration, definition.secret_fields)",
        "row.configuration",
        ("tests/integration/airbyte_local/test_api.py::test_sources_live_through_the_sdk",),
    ),
    Breakage(
        "secret-in-a-notice",
        "no secret is in a message to Slack",
        f"{DAGS}/messages.py",
        '    text = re.sub(r"(\\w+://)[^/\\s@:]+:[^/\\s@]+@", r"\\1***@", text)\n',
        "",
        ("tests/unit/orchestration/test_notices.py::test_a_secret_is_scrubbed_and_the_rest_stays",),
    ),
    Breakage(
        "personal-data-in-raw",
        "national id numbers do not leave the source",
        "data-integration/connections/connections/adventureworks.yaml",
        "      - loginid\n",
        "      - loginid\n      - nationalidnumber\n",
        ("tests/unit/airbyte_config/test_definitions.py::test_personal_columns_are_left_out",),
    ),
    Breakage(
        "mail-address-in-the-clear",
        "e-mail addresses are masked from staging on",
        f"{MACROS}/staging.sql",
        "left({{ column }}, 1) || '***@' || split_part({{ column }}, '@', 2)",
        "{{ column }}",
        (f"{SHOP}::test_email_and_phone_are_masked_everywhere_but_in_raw",),
    ),
    # ---------------------------------------------------------------------------------------------------------- models
    Breakage(
        "soft-deleted-row-kept",
        "staging drops the rows that are softly deleted",
        f"{MODELS}/staging/sales/stg_sales_order_details.sql",
        "    where {{ not_deleted(source('adventureworks_sales', 'salesorderdetail')) }}\n",
        "",
        (f"{SHOP}::test_what_left_the_source_leaves_the_facts",),
    ),
    Breakage(
        "deleted-row-left-in-the-fact",
        "facts remove by key what has left the source",
        f"{MODELS}/marts/fct_sales.sql",
        """        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('stg_sales_order_details'), ['order_id', 'order_line_id']) }}"
""",
        "        on_schema_change='fail'\n",
        (f"{SHOP}::test_what_left_the_source_leaves_the_facts",),
    ),
    Breakage(
        "wrong-allocation",
        "tax is allocated by line total",
        f"{MACROS}/allocation.sql",
        "share_of('order_tax_amount', 'weight', 'total_weight')",
        "share_of('order_tax_amount', '1', 'count(*) over (partition by ' ~ order_id ~ ')')",
        (f"{SHOP}::test_every_line_is_there_with_its_exact_total",),
    ),
    Breakage(
        "remainder-lost",
        "allocated freight adds up to the header's, to the last digit",
        f"{MACROS}/allocation.sql",
        "then order_freight_amount - sum(freight_share) over (partition by {{ order_id }})",
        "then 0",
        (f"{SHOP}::test_every_line_is_there_with_its_exact_total",),
    ),
    Breakage(
        "no-unknown-member",
        "every dimension has the unknown member -1",
        f"{MODELS}/marts/dim_promotion.sql",
        "select * from described\nunion all\nselect * from unknown_promotion",
        "select * from described",
        (f"{SHOP}::test_missing_product_and_customer_are_the_unknown_members",),
    ),
    Breakage(
        "gap-between-versions",
        "the versions of a product follow each other without a gap",
        f"{MODELS}/intermediate/int_product_versions.sql",
        "            lead(versions.valid_from) over (partition by versions.product_id order by versions.valid_from),\n",
        "            lead(versions.valid_from) over (partition by versions.product_id order by versions.valid_from) - interval '1' day,\n",
        (f"{SHOP}::test_product_without_history_has_one_version_from_itself",),
    ),
    Breakage(
        "margin-upside-down",
        "margin is line total less standard cost",
        f"{MODELS}/marts/fct_sales.sql",
        "cast(line_total - standard_cost as decimal(38, 8)) as margin",
        "cast(standard_cost - line_total as decimal(38, 8)) as margin",
        (f"{SHOP}::test_last_day_of_a_cost_is_inclusive",),
    ),
    Breakage(
        "totals-not-the-originals",
        "line totals add up to the original's to the last digit",
        f"{MODELS}/staging/sales/stg_sales_order_details.sql",
        "cast(gross_amount - discount_amount as decimal(38, 8)) as line_total",
        "cast(cast(gross_amount - discount_amount as decimal(38, 2)) as decimal(38, 8)) as line_total",
        (
            "tests/integration/transformation/test_original.py::test_totals_are_the_originals_to_the_last_digit",
        ),
    ),
    Breakage(
        "lines-lost-by-a-join",
        "lines beyond their product's cost history are kept, with its last cost",
        f"{MODELS}/marts/fct_sales.sql",
        "            and orders.ordered_at < products.valid_to\n",
        "            and orders.ordered_at < coalesce(products.cost_known_until, products.valid_to)\n",
        (f"{SHOP}::test_line_after_its_products_cost_history_takes_the_last_cost",),
    ),
    Breakage(
        "late-correction-missed",
        "an incremental build takes up corrections of orders that it has built",
        f"{MACROS}/rebuild_sales.sql",
        "        built.order_hash is distinct from orders.order_hash\n        or built.product_key",
        "        built.product_key",
        (f"{SHOP}::test_late_correction_rebuilds_the_whole_order",),
    ),
    Breakage(
        "stream-forgotten-by-changed",
        "--changed builds what descends from every stream that differs",
        "data-transformation/transformation/changed_inputs.py",
        "    for unique_id, _, before, after in _differing(manifest, built, now):\n        descendants",
        "    for unique_id, _, before, after in _differing(manifest, built, now)[:1]:\n        descendants",
        ("tests/unit/transformation/test_changed_inputs.py",),
    ),
    Breakage(
        "pay-for-everybody",
        "pay is in marts_restricted, never among the marts that are published",
        f"{MODELS}/marts/fct_employee_pay.sql",
        "{{ config(schema='marts_restricted') }}\n",
        "",
        (f"{SHOP}::test_restricted_pay_is_not_among_the_marts_that_are_published",),
    ),
    # --------------------------------------------------------------------------------------------------- orchestration
    Breakage(
        "task-without-timeout",
        "every task has a time limit",
        f"{DAGS}/tasks.py",
        "@task(execution_timeout=timedelta(minutes=20), outlets=[MARTS], **RETRIED)",
        "@task(outlets=[MARTS], **RETRIED)",
        (f"{DAG}::test_every_task_has_an_owner_a_limit_a_failure_notice_and_documentation",),
    ),
    Breakage(
        "published-before-tested",
        "marts are shown after they were built and tested",
        f"{DAGS}/tasks.py",
        """return dbt.children[f"{dbt.group_id}.{PRODUCER}"] >> publish()""",
        """return dbt.children[f"{dbt.group_id}.staging"] >> publish()""",
        (f"{DAG}::test_they_come_in_the_order_of_the_data",),
    ),
    Breakage(
        "published-after-a-failed-test",
        "a failed test leaves the old version in place",
        f"{DAGS}/tasks.py",
        "@task(execution_timeout=timedelta(minutes=20), outlets=[MARTS], **RETRIED)",
        """@task(execution_timeout=timedelta(minutes=20), outlets=[MARTS], trigger_rule="all_done", **RETRIED)""",
        (f"{DAG}::test_nothing_is_built_or_published_after_a_failure",),
    ),
    Breakage(
        "failed-test-not-heard",
        "a failed test fails its model's task",
        f"{DAGS}/cosmos_tasks.py",
        "            if not is_dbt_node_status_success(status):",
        '            if status == "error":',
        ("tests/unit/orchestration/test_cosmos_tasks.py",),
    ),
    Breakage(
        "notice-fails-the-run",
        "a message that can't be delivered fails no run",
        f"{DAGS}/channels.py",
        """    return outcomes.get("Slack") == ""\n""",
        """    if outcomes.get("Slack") != "":
        raise RuntimeError("the notice was not delivered")
    return True\n""",
        ("tests/integration/orchestration/test_notices.py",),
    ),
    # ------------------------------------------------------------------------------------------------------ publishing
    Breakage(
        "half-version-shown",
        "a version is shown whole or not at all",
        f"{DAGS}/publish/on_duckdb.py",
        """        draft = serving / f".draft-{os.getpid()}"
        try:
            _remove_drafts(serving)
            draft.mkdir(parents=True)
            tables""",
        """        draft = serving / f".draft-{os.getpid()}"
        try:
            _remove_drafts(serving)
            draft.mkdir(parents=True)
            _show(serving, draft.name)
            tables""",
        (f"{PUBLISH}::test_after_each_step_on_the_disk_one_whole_version_is_shown",),
    ),
    Breakage(
        "no-version-for-a-moment",
        "the switch to a new version is one step",
        f"{DAGS}/publish/on_duckdb.py",
        """    link.replace(serving / "current")\n""",
        """    (serving / "current").unlink(missing_ok=True)\n    link.rename(serving / "current")\n""",
        (f"{PUBLISH}::test_after_each_step_on_the_disk_one_whole_version_is_shown",),
    ),
    Breakage(
        "publisher-without-lease",
        "build, audit and publish of a run hold the lease without a break",
        f"{DAGS}/publish/on_duckdb.py",
        "        if prepared and not lease.renew(warehouse, prepared):",
        "        if False:",
        (f"{PUBLISH}::test_a_run_that_lost_the_warehouse_between_test_and_publish_publishes_nothing",),
    ),
    Breakage(
        "build-upon-what-failed",
        "a build starts from the published version",
        f"{DAGS}/publish/on_duckdb.py",
        "        elif note.exists():",
        "        elif False:",
        (f"{PUBLISH}::test_after_a_run_that_published_nothing_the_next_builds_on_what_is_published",),
    ),
    Breakage(
        "rollback-overrun",
        "a rollback holds its version until it is resumed",
        f"{DAGS}/publish/version.py",
        "    if hold:\n",
        "    if False:\n",
        (f"{PUBLISH}::test_a_rollback_shows_the_version_before_and_holds_it_until_it_is_resumed",),
    ),
    Breakage(
        "serving-can-be-written",
        "dashboards read the published marts, and can't write them",
        "infrastructure/preset/databases/duckdb.yaml",
        "  read_only: true\n",
        "  read_only: false\n",
        ("tests/unit/dashboards/test_files.py::test_duckdb_is_read_only_closed_to_the_machine_and_bounded",),
    ),
    Breakage(
        "sql-can-write",
        "`elt sql` is read-only",
        "infrastructure/foundation/warehouse.py",
        "return duckdb.connect(path, read_only=True, config=config)",
        "return duckdb.connect(path, config=config)",
        ("tests/unit/elt/test_sql.py::test_what_is_wrong_or_forbidden_is_one_line",),
    ),
    # ------------------------------------------------------------------------------------------------- backup, privacy
    Breakage(
        "damaged-backup-restored",
        "a restore changes nothing when the backup is not as it was written",
        f"{DAGS}/backup.py",
        "    verify(folder)\n",
        "",
        ("tests/integration/orchestration/test_backup.py::test_a_damaged_or_linked_backup_changes_nothing",),
    ),
    Breakage(
        "person-left-in-what-is-published",
        "a person who is erased is in no published version",
        "infrastructure/elt/privacy/erase.py",
        "            erase_in_published(settings, protocol, run, report)\n",
        "",
        (
            "tests/integration/transformation/test_privacy.py::test_an_erasure_that_was_killed_is_taken_up_and_nothing_is_left",
        ),
    ),
    # ------------------------------------------------------------------------------------------------------ dashboards
    Breakage(
        "wrong-metric",
        "revenue leaves out rejected and cancelled orders",
        f"{MODELS}/semantic/sales.yml",
        "expr: case when counts_as_revenue then line_total end",
        "expr: line_total",
        ("tests/integration/transformation/test_semantic_layer.py",),
    ),
    Breakage(
        "chart-with-another-metric",
        "a chart shows the metric that it is named after",
        "infrastructure/preset/charts/sales_overview.yaml",
        "    metric: revenue\n    sort_y_axis: value_asc\n",
        "    metric: margin\n    sort_y_axis: value_asc\n",
        ("tests/unit/dashboards/test_files.py::test_a_chart_shows_the_metric_that_it_is_called_after",),
    ),
)
