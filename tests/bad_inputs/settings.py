"""Settings whose value can't be, two for each: every verb refuses them when it reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.bad_inputs.case import Case, Place

AREA = "settings"
LONG = "x" * 64
LINE = [("two\nlines", "one line of text"), ("the bell\x07", "one line of text")]
SECRET = [("two\nlines", "one line of text"), ("the bell\x07", "***: it is one line of text")]
TOKEN = [("of two words", "a token holds"), ("clé", "***: a token holds")]
KEY = [("the bell\x07", "***: it is text"), ("an escape \x1b[0m", "***: it is text")]
TEXT = [("the bell\x07", "it is text"), ("an escape \x1b[0m", "it is text")]
HOST = [("http://shop", "a host is"), ("shop:5432", "a host is"), ("300.1.1.1", "no IPv4 address")]
PORT = [("0", "a port is"), ("65536", "a port is"), ("http", "a port is")]
URL = [
    ("shop.example.com", "a URL begins with"),
    ("http://shop.example.com:99999", "a URL names a host"),
    ("http://shop example.com", "a URL holds no blank"),
]
NAME = [(LONG, "at most 63 bytes"), ("two\nlines", "one line of text")]
LOGIN = [("o'neil", "letters, digits"), ("a b", "letters, digits")]
SNOWFLAKE = [("raw;drop", "a name in Snowflake"), ("1ST", "a name in Snowflake")]
USER = [("a b", "a user of Snowflake"), ("o'neil", "a user of Snowflake")]
SECONDS = [("-1", "greater than"), ("inf", "finite number"), ("soon", "a valid number"), ("1e300", "604800")]
NUMBER = [
    ("1.5", "a valid integer"),
    ("many", "a valid integer"),
    ("-5", "greater than"),
    ("9" * 30, "less than"),
]
FOLDERS = [("~nobody.here/files", "~ of a user"), ("two\nlines", "one line of text")]

# field → its bad values, each with words of the answer
BAD: dict[str, list[tuple[str, str]]] = {
    "elt_home": [
        ("/etc/hosts", "/etc/hosts is no folder"),
        ("{home}/secrets.env/below", "secrets.env is no folder"),
        ("/", "/ holds more than local state"),
        ("~", "holds more than local state"),
        (".", "holds more than local state"),
        ("..", "holds more than local state"),
        ("~nobody.here/elt", "can't be followed"),
        ("two\nlines", "control characters"),
        ("x" * 300, "can't be followed"),
        ("/proc/elt", "/proc/elt can't be written"),
    ],
    "elt_sources": [
        (",", "names no source"),
        ("adventureworks,wbe", "there is no such source"),
        ("adventureworks;web", "there is no such source"),
        ("../adventureworks", "there is no such source"),
    ],
    "elt_schedule": [
        ("61 * * * *", "a schedule is"),
        ("* * * * * *", "of five fields"),
        ("hourlyish", "of five fields"),
        ("@never", "a schedule is"),
        ("0 0 30 2 *", "comes round"),
        ("*/0 * * * *", "a schedule is"),
    ],
    "elt_connections": [*FOLDERS, ("/no/such/folder", "there is no folder /no/such/folder")],
    "elt_environment": LINE,
    "elt_browser": LINE,
    "elt_listen_seconds": [*SECONDS[:3], ("3601", "less than or equal to 3600")],
    "elt_lease_wait_seconds": SECONDS,
    "listen_host": HOST,
    "source_port": [*PORT, ("-1", "a port is"), ("80.5", "a port is")],
    "airbyte_url": [*URL, ("ftp://shop", "a URL begins with"), ("http://", "a URL names a host")],
    "stream_viewers": [
        ("germany", "NAME:TERRITORY"),
        ("germany:8;france:7", "NAME:TERRITORY"),
        ("germany:8 or 1 = 1", "NAME:TERRITORY"),
        ("germany:8,germany:all", "there twice"),
    ],
    "source_ssl_mode": [("yes", "it should be 'disable'"), ("REQUIRE", "it should be 'disable'")],
    "source_slot": [
        ("Elt-Slot", "a replication slot"),
        (LONG, "a replication slot"),
        ("a b", "a replication slot"),
    ],
    "totesys_database": NAME,
    "totesys_slot": [("Elt-Slot", "a replication slot"), (LONG, "a replication slot")],
    "airbyte_encryption_key": [("short", "***: a Fernet key"), ("not base64 at all!", "***: a Fernet key")],
    "airflow_fernet_key": [("short", "***: a Fernet key"), ("one,two", "***: a Fernet key")],
    "airbyte_folders": FOLDERS,
    "airbyte_connectors": FOLDERS,
    "airbyte_lease_wait_seconds": SECONDS,
    "airbyte_connector_silence_seconds": [*SECONDS, ("0", "greater than 0")],
    "airbyte_job_memory_mb": [*NUMBER, ("64", "greater than or equal to 128")],
    "snowflake_environment": [("a-b", "an environment is letters"), ("1st", "an environment is letters")],
    "snowflake_account": [("https://acme", "an account is"), ("acme/eu", "an account is")],
    "snowflake_emulator_protocol": [("ftp", "'http' or 'https'"), ("http://", "'http' or 'https'")],
    "alert_level": [("some", "'important' or 'all'"), ("ALL", "'important' or 'all'")],
    "alert_email_to": [
        ("nobody", "name@host"),
        ("a@example.com,", "name@host"),
        ("a@example.com;b@example.com", "name@host"),
        ("a@example.com\nBcc: b@example.com", "one line of text"),
    ],
    "alert_email_from": [("nobody", "name@host"), ("a@example.com,b@example.com", "one e-mail address")],
    "dbt_docs_uri": [
        ("docs", "an absolute path"),
        ("s3:bucket", "an absolute path"),
        ("two\nlines", "one line"),
    ],
    "dbt_target": [("prod", "it should be 'duckdb'"), ("DUCKDB", "it should be 'duckdb'")],
    "dbt_memory_mb": [*NUMBER, ("64", "greater than or equal to 256")],
    "dbt_developer": [("ana.b", "schemas' names"), ("1st", "schemas' names"), ("a b", "schemas' names")],
    "airflow_executor": [
        ("Local", "it should be LocalExecutor"),
        ("SequentialExecutor", "it should be LocalExecutor"),
    ],
    "web_seed": NUMBER,
    "history_start": [("yesterday", "a day is written"), ("2024-02-30", "a day is written")],
    **{
        key: [("perhaps", "a valid boolean"), ("2", "a valid boolean")]
        for key in ("web_faults", "apis_faults")
    },
    "freshness_minutes": [*NUMBER, ("0", "greater than or equal to 1")],
    "published_versions": [*NUMBER, ("0", "greater than or equal to 1")],
    "published_days": NUMBER,
    **{
        key: [*NUMBER, ("0", "greater than or equal to 1")]
        for key in ("web_calls_per_minute", "apis_calls_per_minute")
    },
    "superset_worker_bytes": [
        *NUMBER,
        ("3GB", "a valid integer"),
        ("1000", "greater than or equal to 268435456"),
    ],
    "aw_scale": [
        ("0", "greater than"),
        ("-1", "greater than"),
        ("nan", "finite"),
        ("1e9", "equal to 10"),
        ("big", "number"),
    ],
    "shop": [("perhaps", "'on' or 'off'"), ("1", "'on' or 'off'")],
    **dict.fromkeys(
        (
            *("slack_webhook_token", "web_api_token", "weather_api_key", "github_tokens"),
            "lake_access_key_id",
        ),
        TOKEN,
    ),
    "stream_kafka_security": [
        ("TLS", "'SASL_PLAINTEXT' or 'SASL_SSL'"),
        ("sasl_ssl", "'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ],
    "stream_kafka_mechanism": [("MD5", "it should be 'PLAIN'"), ("plain", "it should be 'PLAIN'")],
    "stream_kafka_user": LOGIN,
    "stream_slot": [("Elt-Slot", "a replication slot"), (LONG, "a replication slot")],
    "stream_seed": NUMBER,
    "stream_cards_per_second": [
        ("0", "greater than 0"),
        ("inf", "finite number"),
        ("many", "a valid number"),
    ],
    "stream_registry_user": LOGIN,
    "monitoring": [("yes", "'off', 'exporter' or 'on'"), ("ON", "'off', 'exporter' or 'on'")],
    "monitoring_user": LOGIN,
    "stream_clickhouse_user": LOGIN,
    "stream_clickhouse_reader": LOGIN,
    "stream_clickhouse_database": NAME,
    "lake_compact_files": [*NUMBER, ("1", "greater than or equal to 2")],
    "lake_landing_days": NUMBER,
    "lake_unused_hours": NUMBER,
    **dict.fromkeys(
        ("snowflake_private_key", "snowflake_loader_private_key", "snowflake_reporter_private_key"), KEY
    ),
    **{f"snowflake_{role}_public_key": TEXT for role in ("loader", "transformer", "reporter")},
    **{
        f"{part}_host": HOST
        for part in ("source", "metadata", "snowflake", "sink", "broker", "snowflake_emulator")
    },
    **{
        f"{part}_port": PORT
        for part in (
            *("metadata", "airbyte", "sink", "sink_smtp", "web", "apis", "superset", "airflow"),
            *("lake", "lake_catalog", "lake_inner"),
            *("stream_kafka", "stream_kafka_controller", "stream_registry", "stream_clickhouse"),
            *("stream_page", "stream_token"),
            *("exporter", "prometheus", "alertmanager"),
        )
    },
    "snowflake_emulator_port": PORT,
    **dict.fromkeys(
        (
            *("runbook_url", "openlineage_url", "otel_exporter_otlp_endpoint", "web_url"),
            *("rates_url", "weather_url", "github_url"),
            *("dashboards_url", "preset_api_url", "airflow_url", "airflow_public_url"),
            *("lake_endpoint", "lake_catalog", "stream_registry_url", "stream_clickhouse_url"),
        ),
        URL,
    ),
    **{f"source_{name}": NAME for name in ("database", "superuser", "owner", "reader", "publication")},
    **{
        f"snowflake_{name}": SNOWFLAKE
        for name in (
            *("loader_role", "loader_warehouse", "raw_database", "role", "warehouse", "warehouse_marts"),
            *("database", "reporter_role", "reporter_warehouse"),
        )
    },
    **{f"snowflake_{name}": USER for name in ("user", "loader_user", "reporter_user")},
    **dict.fromkeys(
        (
            *("airbyte_client_id", "airbyte_destination", "airbyte_workspace", "snowflake_private_key_path"),
            *(
                "snowflake_allowed_ips",
                "superset_admin_user",
                "superset_analyst_user",
                "dashboards_warehouse",
            ),
            *("preset_api_token", "airflow_admin_user", "aw_data"),
            *("lake_region", "lake_bucket", "lake_path", "lake_catalog_warehouse", "stream_kafka_brokers"),
        ),
        LINE,
    ),
    **dict.fromkeys(
        (
            *("source_superuser_password", "source_owner_password", "source_reader_password"),
            *("stream_kafka_password", "stream_registry_password", "stream_registry_database_password"),
            *("stream_clickhouse_password", "stream_clickhouse_reader_password"),
            *("stream_viewer_secret", "superset_guest_secret"),
            *("metadata_password", "airbyte_client_secret", "snowflake_private_key_passphrase"),
            *("superset_secret_key", "superset_database_password", "superset_admin_password"),
            *("superset_analyst_password", "preset_api_secret", "broker_password", "airflow_admin_password"),
            *("airflow_operator_password", "airflow_viewer_password", "airflow_jwt_secret"),
            *("lake_secret_access_key", "monitoring_password"),
        ),
        SECRET,
    ),
}
# two settings of one value, and which of them the answer names; one user of Airflow is no setting
TWICE: list[tuple[tuple[str, ...], str, str]] = [
    (("AIRBYTE_PORT", "SINK_PORT"), "8001", "SINK_PORT: '8001': it is a port, as AIRBYTE_PORT"),
    (("SOURCE_PORT", "METADATA_PORT"), "5432", "METADATA_PORT: '5432': it is a port, as SOURCE_PORT"),
    (("SUPERSET_PORT", "AIRFLOW_PORT"), "8080", "AIRFLOW_PORT: '8080': it is a port, as SUPERSET_PORT"),
    (("AIRFLOW_ADMIN_USER",), "operator", "AIRFLOW_ADMIN_USER: 'operator': it is a user of Airflow"),
    (("AIRFLOW_ADMIN_USER",), "Viewer", "AIRFLOW_ADMIN_USER: 'viewer': it is a user of Airflow"),
    (
        ("SUPERSET_ADMIN_USER", "SUPERSET_ANALYST_USER"),
        "boss",
        "SUPERSET_ANALYST_USER: 'boss': it is a user of Superset, as SUPERSET_ADMIN_USER",
    ),
]
# values that are refused where they are used: what they name may be there on another machine
USED: list[tuple[str, str, tuple[str, ...], str]] = [
    ("AIRBYTE_CONNECTORS", "/no/such/folder", ("connectors", "list"), "there is no folder /no/such/folder"),
    (
        "AIRBYTE_DESTINATION",
        "postgres",
        ("airbyte", "verify"),
        "AIRBYTE_DESTINATION=postgres: no file of that name",
    ),
    ("AIRBYTE_DESTINATION", "../duckdb", ("airbyte", "verify"), "AIRBYTE_DESTINATION=../duckdb: no file"),
    ("AIRBYTE_DESTINATION", "snowflake", ("airbyte", "verify"), "SNOWFLAKE_HOST is not set"),
    (
        "DASHBOARDS_WAREHOUSE",
        "oracle",
        ("dashboards", "bundle", "{inputs}/a.zip"),
        "DASHBOARDS_WAREHOUSE=oracle",
    ),
    ("DASHBOARDS_WAREHOUSE", "snowflake", ("dashboards", "bundle", "{inputs}/a.zip"), "is not set"),
    ("AW_DATA", "/no/such/folder", ("demo",), "AW_DATA: there is no folder /no/such/folder"),
    ("AW_DATA", "{home}/secrets.env", ("demo",), "AW_DATA: there is no folder"),
    ("SNOWFLAKE_ALLOWED_IPS", "everywhere", ("snowflake", "bootstrap", "--dry-run"), "SNOWFLAKE_ALLOWED_IPS"),
    ("SNOWFLAKE_ALLOWED_IPS", "10.0.0.1/8", ("snowflake", "bootstrap", "--dry-run"), "SNOWFLAKE_ALLOWED_IPS"),
    (
        "SNOWFLAKE_LOADER_PUBLIC_KEY",
        "/no/key.pub",
        ("snowflake", "bootstrap", "--dry-run"),
        "there is no file",
    ),
    (
        "SNOWFLAKE_LOADER_PUBLIC_KEY",
        "{home}/secrets.env",
        ("snowflake", "bootstrap", "--dry-run"),
        "no public key",
    ),
    ("ELT_BROWSER", "/no/such/browser", ("dashboards", "screenshots"), "ELT_BROWSER"),
]


def cases() -> Iterator[Case]:
    for field, values in BAD.items():
        name = field.upper()
        for value, says in values:
            yield Case(AREA, f"{name}={value[:40]}", ("status",), says, {name: value})
    for names, value, says in TWICE:
        yield Case(AREA, f"{'='.join(names)}={value}", ("status",), says, dict.fromkeys(names, value))
    for name, value, words, says in USED:
        yield Case(AREA, f"{name}={value} elt {words[0]}", words, says, {name: value})
    yield from _env_files()


# ------------------------------------------------------------------------------------------------ .env

LINES = {
    "a line without =": ("# first\nSOURCE_PORT=5432\nnonsense\n", ".env, line 3: not a KEY=value line"),
    "a name that begins with a digit": ("1ST", ".env, line 1"),
    "a quote that does not end": ('ALERT_EMAIL_TO="a@example.com\nSOURCE_PORT=5432\n', ".env, line 1"),
    "words after a quote": ("ELT_ENVIRONMENT='one' two\n", ".env, line 1"),
    "a name of two words": ("SOURCE PORT=5432\n", ".env, line 1"),
    "YAML": ("SOURCE_PORT: 5432\n", ".env, line 1"),
    "a value of the wrong form": (
        "SNOWFLAKE_EMULATOR_PORT=http\n",
        "SNOWFLAKE_EMULATOR_PORT: 'http': a port is",
    ),
    "a value with a NUL": ("ELT_ENVIRONMENT=a\0b\n", "ELT_ENVIRONMENT: 'a\\x00b': it is one line"),
    "an unknown source": ("ELT_SOURCES=shop\n", "ELT_SOURCES: 'shop': there is no such source"),
    "a home that is a file": ("ELT_HOME=/etc/hosts\n", "ELT_HOME: /etc/hosts is no folder"),
}


def _env_files() -> Iterator[Case]:
    for name, (content, says) in LINES.items():
        yield Case(
            ".env",
            name,
            ("status",),
            says,
            {"ELT_HOME": ""} if "ELT_HOME" in content else {},
            _write(content.encode()),
        )
    yield Case(
        ".env", "bytes that are no text", ("status",), ".env can't be read", prepare=_write(b"\xff\xfe\x00A")
    )
    yield Case(
        ".env", "a folder", ("status",), ".env can't be read", prepare=lambda place: place.env_file.mkdir()
    )
    yield Case(
        ".env",
        "a named pipe",
        ("status",),
        ".env can't be read: it is a named pipe",
        prepare=lambda place: os.mkfifo(place.env_file),
    )
    yield Case(
        ".env",
        "a link in a circle",
        ("status",),
        ".env can't be read",
        prepare=lambda place: place.env_file.symlink_to(place.env_file),
    )


def _write(content: bytes):
    def prepare(place: Place) -> None:
        place.env_file.write_bytes(content)

    return prepare
