"""The one settings object: the environment, `.env` and the generated secrets, read once.

Order of precedence: process environment, `.env` in the repository's root, `secrets.env` under `ELT_HOME`, the defaults
below. Every default is in `.env.example`; a test keeps the two equal.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from functools import cached_property, lru_cache
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal

from cryptography.fernet import Fernet
from dotenv.parser import parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from foundation.commands import WEEK
from foundation.errors import EltError
from foundation.forms import (
    CONTROL,
    Account,
    Address,
    Addresses,
    Day,
    Executor,
    FernetKey,
    FernetKeys,
    Folders,
    Host,
    Key,
    Line,
    Login,
    Port,
    PostgresName,
    Schedule,
    SchemaPrefix,
    Secret,
    Slot,
    SnowflakeName,
    SnowflakeUser,
    Storage,
    Text,
    Token,
    Url,
    Viewers,
)
from foundation.private import open_to_others, tighten

ROOT = Path(__file__).resolve().parents[2]

# Secrets that one machine invents for itself; in production they come from the environment.
GENERATED: dict[str, Callable[[], str]] = {
    "SOURCE_SUPERUSER_PASSWORD": lambda: secrets.token_urlsafe(24),
    "SOURCE_OWNER_PASSWORD": lambda: secrets.token_urlsafe(24),
    "SOURCE_READER_PASSWORD": lambda: secrets.token_urlsafe(24),
    "METADATA_PASSWORD": lambda: secrets.token_urlsafe(24),
    "AIRBYTE_CLIENT_SECRET": lambda: secrets.token_urlsafe(24),
    "AIRBYTE_ENCRYPTION_KEY": lambda: Fernet.generate_key().decode(),
    "SLACK_WEBHOOK_TOKEN": lambda: f"T{secrets.token_hex(4)}/B{secrets.token_hex(4)}/{secrets.token_hex(12)}",
    "WEB_API_TOKEN": lambda: secrets.token_urlsafe(24),
    "WEATHER_API_KEY": lambda: secrets.token_urlsafe(24),
    "GITHUB_TOKENS": lambda: secrets.token_urlsafe(24),
    "LAKE_ACCESS_KEY_ID": lambda: secrets.token_hex(10).upper(),
    "LAKE_SECRET_ACCESS_KEY": lambda: secrets.token_urlsafe(30),
    "STREAM_KAFKA_PASSWORD": lambda: secrets.token_urlsafe(24),
    "STREAM_REGISTRY_PASSWORD": lambda: secrets.token_urlsafe(24),
    "STREAM_REGISTRY_DATABASE_PASSWORD": lambda: secrets.token_urlsafe(24),
    "STREAM_CLICKHOUSE_PASSWORD": lambda: secrets.token_urlsafe(24),
    "STREAM_CLICKHOUSE_READER_PASSWORD": lambda: secrets.token_urlsafe(24),
    "MONITORING_PASSWORD": lambda: secrets.token_urlsafe(24),
    "STREAM_VIEWER_SECRET": lambda: secrets.token_urlsafe(32),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(
        16
    ),  # that of programs, too: a run records itself with it
    "AIRFLOW_OPERATOR_PASSWORD": lambda: secrets.token_urlsafe(12),
    "AIRFLOW_VIEWER_PASSWORD": lambda: secrets.token_urlsafe(12),
    "AIRFLOW_FERNET_KEY": lambda: Fernet.generate_key().decode(),
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_urlsafe(48),
    "SUPERSET_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "SUPERSET_GUEST_SECRET": lambda: secrets.token_urlsafe(48),
    "SUPERSET_DATABASE_PASSWORD": lambda: secrets.token_urlsafe(24),
    "SUPERSET_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(12),
    "SUPERSET_ANALYST_PASSWORD": lambda: secrets.token_urlsafe(12),
}

ENV_FILE = ROOT / ".env"  # need not be there
# under ELT_HOME
SECRETS = "secrets.env"  # pragma: allowlist secret

SCALES = (0.01, 10.0)  # of the generator: 1 has the original's 760,000 rows

METADATA_SUPERUSER = "postgres"
AIRFLOW_USERS = ("operator", "viewer")  # besides the admin
LOOPBACK = ("127.0.0.1", "localhost", "::1")

LANDS_IN_LAKE = re.compile(r"^destination: *lake *(#.*)?$", re.MULTILINE)  # in a connection's file
READS_LAKE = re.compile(r"^ *bucket: *\{setting: *LAKE_BUCKET\}", re.MULTILINE)  # in a source's file

# What a single command asks for: a stack that runs need not have been started with it
OF_ONE_COMMAND = frozenset({"AW_DATA", "AW_SCALE", "SHOP", "ELT_BROWSER", "ELT_LEASE_WAIT_SECONDS"})

# What `elt snowflake bootstrap` makes in production
SNOWFLAKE_NAMES = {
    "snowflake_loader_user": "AIRBYTE",
    "snowflake_loader_role": "LOADER",
    "snowflake_loader_warehouse": "LOADING",
    "snowflake_raw_database": "RAW",
    "snowflake_user": "DBT",
    "snowflake_role": "TRANSFORMER",
    "snowflake_warehouse": "TRANSFORMING",
    "snowflake_warehouse_marts": "TRANSFORMING_MARTS",
    "snowflake_database": "ANALYTICS",
    "snowflake_reporter_user": "SUPERSET",
    "snowflake_reporter_role": "REPORTER",
    "snowflake_reporter_warehouse": "REPORTING",
}


def suffix_of(environment: str) -> str:
    """What Snowflake's names in an environment end with: `_STAGING`, nothing in production. Raises EltError."""
    if environment.lower() in ("", "production"):
        return ""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", environment):
        raise EltError(f"{environment!r} can't be part of a name", "an environment is letters, digits and _")
    return f"_{environment.upper()}"


def _distinct(given: dict[str, object], what: str) -> None:
    """Raises EltError when two of the settings have one value; what isn't a variable can't be changed."""
    known: dict[object, str] = {}
    for name, value in given.items():
        other = known.setdefault(value, name)
        if other != name:
            variable = name if name.isupper() else other
            raise EltError(
                f"{variable}: {str(value)!r}: it is {what}, as {other if variable == name else name}",
                f"set {variable} in .env or the environment to another value",
            )


def _lower(value: str) -> str:
    """Not `str.lower`: Python reads a built-in function's signature by way of all modules, which a fork would then have copies of."""
    return value.lower()


def _environment(value: str) -> str:
    try:
        suffix_of(value)
    except EltError as error:
        raise ValueError(error.remedy) from None
    return value


def folders_of(listed: str) -> list[Path]:
    """The folders of a list with `:` between them; a relative one counts from the repository's root."""
    return [(ROOT / Path(each).expanduser()).resolve() for each in listed.split(":") if each]


def home_of(text: str) -> Path:
    """The folder that ELT_HOME names. Raises EltError: it can be none, or holds more than local state."""
    remedy = "set ELT_HOME in .env or the environment to a folder of its own"
    try:
        home = (ROOT / Path(CONTROL.sub("", text)).expanduser()).resolve()
        above = next(path for path in (home, *home.parents) if path.exists())
        if CONTROL.search(text):
            raise EltError(f"ELT_HOME: {text!r} holds control characters", remedy)
        if not above.is_dir():
            raise EltError(f"ELT_HOME: {above} is no folder", remedy)
        if ROOT.is_relative_to(home) or Path("~").expanduser().resolve().is_relative_to(home):
            raise EltError(f"ELT_HOME: {home} holds more than local state", remedy)
    except (OSError, RuntimeError) as error:  # `~` of nobody, a loop of links, a name that is too long
        raise EltError(f"ELT_HOME: {text!r} can't be followed: {error}", remedy) from None
    return home


def known_sources(further: str = "") -> list[str]:
    """Names of the source systems: those of the connection files, here and in further folders (with `:` between)."""
    folders = [ROOT / "data-integration" / "connections", *folders_of(further)]
    return sorted({file.stem for folder in folders for file in (folder / "connections").glob("*.yaml")})


class Settings(BaseSettings):
    """Where everything is and how to reach it. Field names are the environment variables, lower case."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load_settings` has gathered the values: the environment is not read a second time."""
        return (init_settings,)

    elt_home: Path = Path(".local")
    listen_host: Host = (
        "127.0.0.1"  # of every server here; 0.0.0.0 only where a container's network is the wall
    )

    source_host: Host = "127.0.0.1"
    source_port: Port = 54320
    source_database: PostgresName = "adventureworks"
    source_superuser: PostgresName = "postgres"
    source_superuser_password: Secret
    source_owner: PostgresName = "adventureworks_owner"
    source_owner_password: Secret
    source_reader: PostgresName = "airbyte_reader"
    source_reader_password: Secret
    source_ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = (
        "disable"  # how Airbyte reaches the source: disable … verify-full
    )
    source_publication: PostgresName = "adventureworks"
    source_slot: Slot = "elt_adventureworks"  # a name of its own for each warehouse that reads the source

    metadata_host: Host = "127.0.0.1"
    metadata_port: Port = 54321
    metadata_password: Secret

    airbyte_port: Port = 8001
    airbyte_url: Url = ""  # empty: the local server
    airbyte_client_id: Line = "elt"
    airbyte_client_secret: Secret
    airbyte_encryption_key: FernetKey
    airbyte_destination: Line = "duckdb"
    airbyte_workspace: Line = ""  # its name or id; empty: the first one
    airbyte_folders: Folders = (
        ""  # further folders for destinations' files, with `:` between; always: ELT_HOME
    )
    airbyte_connectors: Folders = ""  # further folders of connectors, with `:` between
    airbyte_lease_wait_seconds: Annotated[float, Field(ge=0, le=WEEK, allow_inf_nan=False)] = (
        300  # for another writer of the warehouse
    )
    airbyte_job_memory_mb: Annotated[int, Field(ge=128, le=1 << 24)] = (
        640  # for DuckDB; the program itself takes some 200 more
    )
    airbyte_connector_silence_seconds: Annotated[float, Field(gt=0, le=WEEK, allow_inf_nan=False)] = (
        3600  # after so long without a word a connector has failed
    )

    snowflake_host: Host = ""  # ACCOUNT.snowflakecomputing.com; empty: not used
    snowflake_environment: Annotated[str, AfterValidator(_environment)] = (
        ""  # suffix of every name: staging → RAW_STAGING; empty: production
    )
    snowflake_loader_user: SnowflakeUser = (
        ""  # this and the next: empty is what SNOWFLAKE_NAMES says, with the suffix
    )
    snowflake_loader_role: SnowflakeName = ""
    snowflake_loader_warehouse: SnowflakeName = ""
    snowflake_raw_database: SnowflakeName = ""
    snowflake_user: SnowflakeUser = ""
    snowflake_role: SnowflakeName = ""
    snowflake_warehouse: SnowflakeName = ""
    snowflake_warehouse_marts: SnowflakeName = ""
    snowflake_database: SnowflakeName = ""
    snowflake_reporter_user: SnowflakeUser = ""
    snowflake_reporter_role: SnowflakeName = ""
    snowflake_reporter_warehouse: SnowflakeName = ""
    snowflake_account: Account = ""  # as dbt names it; empty: SNOWFLAKE_HOST without its ending
    snowflake_private_key: Key = SecretStr("")  # dbt's: the key itself, or the file that holds it
    snowflake_private_key_path: Line = ""
    snowflake_private_key_passphrase: Secret = SecretStr("")
    snowflake_loader_private_key: Key = SecretStr("")
    snowflake_allowed_ips: Line = ""  # where services log in from: 203.0.113.7,198.51.100.0/24
    snowflake_loader_public_key: Text = ""  # files of public keys, for `elt snowflake bootstrap`
    snowflake_transformer_public_key: Text = ""
    snowflake_reporter_public_key: Text = ""

    elt_environment: Line = "local"  # named in each message
    alert_level: Literal["important", "all"] = (
        "important"  # of Slack: failures, recoveries, lateness, a digest a day; all: each run's start and success, too
    )
    alert_email_to: Addresses = "oncall@localhost"  # addresses with commas between them; empty: no e-mail
    alert_email_from: Address = "airflow@localhost"
    runbook_url: Url = ""  # empty: the DAG's page in Airflow
    freshness_minutes: Annotated[int, Field(ge=1, le=525_600)] = 60  # how old published data may be
    published_versions: Annotated[int, Field(ge=1, le=10_000)] = (
        3  # so many stay, the one shown among them, …
    )
    published_days: Annotated[int, Field(ge=0, le=3660)] = 7  # … and the last one of each of so many days
    openlineage_url: Url = ""  # empty: events go to the file logs/openlineage.jsonl
    otel_exporter_otlp_endpoint: Url = ""  # OpenTelemetry's own variable; empty: no metrics
    dbt_docs_uri: Storage = ""  # a folder, as s3://bucket/folder; empty: ELT_HOME/docs

    sink_host: Host = "127.0.0.1"
    sink_port: Port = 8002
    sink_smtp_port: Port = 8025
    slack_webhook_token: Token

    elt_sources: Line = "adventureworks"  # with commas; `adventureworks,web` adds the web site's traffic
    elt_connections: Folders = (
        ""  # further folders of connection files, whose sources are known, with `:` between
    )
    totesys_database: PostgresName = "totesys"  # of the second company, on the source's server
    totesys_slot: Slot = "elt_totesys"
    web_port: Port = 8003
    web_url: Url = ""  # empty: the local site on WEB_PORT
    web_api_token: Token
    web_seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 42
    web_faults: bool = True  # the local site fails now and then; events come late and twice
    web_calls_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    apis_port: Port = 8004  # of the local services of rates, weather and github
    apis_faults: bool = True  # they fail now and then
    apis_calls_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    rates_url: Url = ""  # empty: the local service on APIS_PORT
    weather_url: Url = ""  # likewise
    weather_api_key: Token
    github_url: Url = ""  # likewise; https://api.github.com is the real one
    github_tokens: Token  # several with commas between share the calls
    history_start: Day = "2022-01-01"  # the first day that is read from them

    # the lake: an S3 API and an Iceberg REST catalogue
    lake_endpoint: Url = ""  # empty: the local store on LAKE_PORT
    lake_region: Line = "us-east-1"
    lake_bucket: Line = "elt-lake"
    lake_path: Line = "elt"  # a folder in the bucket
    lake_access_key_id: Token
    lake_secret_access_key: Secret
    lake_port: Port = 8333
    lake_catalog_port: Port = 8181
    lake_inner_port: Port = 18330  # the first of seven that only the local store's own parts use
    lake_catalog: Url = (
        ""  # an Iceberg REST catalogue; empty: the local one, and none where LAKE_ENDPOINT is set
    )
    lake_catalog_warehouse: Line = "elt-tables"  # what the catalogue calls the place of the tables
    lake_compact_files: Annotated[int, Field(ge=2, le=100_000)] = (
        16  # so many small files of a table are made one
    )
    lake_landing_days: Annotated[int, Field(ge=0, le=36_500)] = 0  # landing stays so long; 0: for ever
    lake_unused_hours: Annotated[int, Field(ge=0, le=87_600)] = (
        24  # what no manifest names goes after so long
    )

    # the streaming lane: Kafka and its schema registry
    stream_kafka_brokers: Line = (
        ""  # HOST:PORT with commas between; empty: the local broker on STREAM_KAFKA_PORT
    )
    stream_kafka_security: Literal["SASL_PLAINTEXT", "SASL_SSL"] = "SASL_PLAINTEXT"
    stream_kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    stream_kafka_user: Login = "elt"
    stream_kafka_password: Secret
    stream_kafka_port: Port = 19092
    stream_kafka_controller_port: Port = 19093  # that only the local broker itself uses
    stream_registry_url: Url = ""  # empty: the local registry on STREAM_REGISTRY_PORT
    stream_registry_user: Login = "elt"
    stream_registry_password: Secret
    stream_registry_database_password: Secret  # of its role in the metadata PostgreSQL
    stream_registry_port: Port = 18081

    # and its ClickHouse
    stream_clickhouse_url: Url = ""  # empty: the local one on STREAM_CLICKHOUSE_PORT
    stream_clickhouse_port: Port = 18123
    stream_clickhouse_database: PostgresName = "shop"
    stream_clickhouse_user: Login = "elt"
    stream_clickhouse_password: Secret
    stream_clickhouse_reader: Login = "reader"  # a user that only reads
    stream_clickhouse_reader_password: Secret

    # and its page, which embeds a board of Superset's
    stream_page_port: Port = 18084
    stream_token_port: Port = 18085  # that only the page's own web server asks
    stream_viewers: Viewers = "northwest:1,southwest:4,germany:8,operations:all"  # NAME:TERRITORY or NAME:all
    stream_viewer_secret: Secret  # from which their passwords are made

    # and its producers
    stream_slot: Slot = "elt_stream"  # through which orders are read from the source's log
    stream_seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 42  # of the payments by card
    stream_cards_per_second: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] = 2

    # metrics and alerts
    monitoring: Literal["off", "exporter", "on"] = (
        "off"  # exporter: metrics alone, for a Prometheus elsewhere; on: Prometheus and Alertmanager, too
    )
    monitoring_user: Login = "elt"  # of all three
    monitoring_password: Secret
    exporter_port: Port = 8005
    prometheus_port: Port = 19090
    alertmanager_port: Port = 19094

    superset_port: Port = 8088
    superset_worker_bytes: Annotated[int, Field(ge=1 << 28, le=1 << 50)] = (
        3 << 30
    )  # of memory; a query that takes more ends
    superset_secret_key: Secret
    superset_guest_secret: Secret  # signs the guest tokens of the lane's page
    superset_database_password: Secret  # of its role in the metadata PostgreSQL
    superset_admin_user: Line = "admin"
    superset_admin_password: Secret
    superset_analyst_user: Line = "analyst"
    superset_analyst_password: Secret

    dashboards_url: Url = ""  # a Superset, or a Preset workspace; empty: the local one
    dashboards_warehouse: Line = "duckdb"  # which file of infrastructure/preset/databases is `AdventureWorks`
    preset_api_url: Url = "https://api.app.preset.io"
    preset_api_token: Line = ""  # given: DASHBOARDS_URL is a Preset workspace
    preset_api_secret: Secret = SecretStr("")
    snowflake_reporter_private_key: Key = SecretStr("")

    airflow_port: Port = 8080
    airflow_url: Url = ""  # empty: the local Airflow on AIRFLOW_PORT
    airflow_public_url: Url = ""  # as people reach it, in the links of messages; empty: AIRFLOW_URL
    airflow_executor: Executor = "LocalExecutor"
    broker_host: Host = "127.0.0.1"  # of CeleryExecutor
    broker_password: Secret = SecretStr("")
    airflow_admin_user: Line = "admin"
    airflow_admin_password: Secret
    airflow_operator_password: Secret  # of `operator`, who may trigger and clear
    airflow_viewer_password: Secret  # of `viewer`, who may look
    airflow_fernet_key: FernetKeys
    airflow_jwt_secret: Secret

    elt_schedule: Schedule = (
        "*/15 * * * *"  # the DAG's cron expression; "manual": it runs when it is asked to
    )

    # seconds between two looks for changes of the source, which start a run; 0: never; None: 2, on Snowflake 0
    elt_listen_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] | None = None

    elt_lease_wait_seconds: Annotated[float, Field(ge=0, le=WEEK, allow_inf_nan=False)] = (
        60  # how long dbt waits for another writer of the warehouse
    )

    dbt_target: Literal["duckdb", "dev", "snowflake", "ci"] = "duckdb"
    dbt_memory_mb: Annotated[int, Field(ge=256, le=1 << 24)] = (
        4096  # for DuckDB in a build; beyond that it writes temporary files next to the warehouse
    )
    dbt_developer: SchemaPrefix = ""  # before the schemas of the target dev; empty: USER
    snowflake_emulator_host: Host = "127.0.0.1"  # of the target ci
    snowflake_emulator_port: Port = 8084
    snowflake_emulator_protocol: Literal["http", "https"] = "http"

    aw_data: Line = ""  # of the demo: a folder of the original's CSV files; empty: generated data
    aw_scale: Annotated[float, Field(ge=SCALES[0], le=SCALES[1], allow_inf_nan=False)] = (
        1.0  # of the generator
    )
    shop: Annotated[Literal["on", "off"], BeforeValidator(_lower)] = (
        "on"  # of the demo: does the shop trade for a day?
    )
    elt_browser: Line = ""  # a Chromium for pictures of the dashboards; empty: the one that is found

    _given: dict[str, str] = PrivateAttr(default_factory=dict)

    def variable(self, name: str) -> str:
        """A variable of the environment or of `.env` that is no setting; "" when it is not given."""
        return self._given.get(name, "")

    @cached_property
    def home(self) -> Path:
        """Local state, absolute (a relative `ELT_HOME` counts from the repository's root)."""
        return (ROOT / self.elt_home.expanduser()).resolve()

    @property
    def warehouse_path(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def serving_path(self) -> Path:
        """The published marts, behind the link that publishing switches."""
        return self.home / "serving" / "current" / "adventureworks.duckdb"

    @property
    def metadata_dir(self) -> Path:
        """The data directory of the metadata PostgreSQL, where this machine has it."""
        return self.home / "metadata"

    @property
    def monitoring_path(self) -> Path:
        """What each run did, failed ones too; outside the warehouse and outside publishing."""
        return self.home / "monitoring.duckdb"

    @property
    def superset_results_dir(self) -> Path:
        """What Superset keeps of charts' results, each for the files that it came from."""
        return self.home / "superset" / "results"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs"

    @property
    def airbyte_api(self) -> str:
        """Base URL of the Airbyte public API, as the SDK's `server_url` and Airflow's `host` want it."""
        return self.airbyte_url or f"http://127.0.0.1:{self.airbyte_port}/api/public/v1"

    @property
    def sources(self) -> tuple[str, ...]:
        """The source systems that are in use: parts, connections, models, DAGs and dashboards of others are left out."""
        return tuple(name.strip() for name in self.elt_sources.split(",") if name.strip())

    @property
    def listen_seconds(self) -> float:
        """Between two looks at the source for changes; 0 where the schedule alone starts runs. Snowflake bills each run."""
        if self.elt_listen_seconds is None:
            return 0.0 if self.dbt_target == "snowflake" else 2.0
        return self.elt_listen_seconds

    @property
    def web_base(self) -> str:
        """Where the events of the web site are read."""
        return self.web_url.rstrip("/") or f"http://127.0.0.1:{self.web_port}"

    @property
    def rates_base(self) -> str:
        """Where exchange rates are read: the form of the Frankfurter API, version 2."""
        return self.rates_url.rstrip("/") or f"http://127.0.0.1:{self.apis_port}/rates/v2"

    @property
    def weather_base(self) -> str:
        """Where the weather is read."""
        return self.weather_url.rstrip("/") or f"http://127.0.0.1:{self.apis_port}/weather/v1"

    @property
    def github_base(self) -> str:
        """Where GitHub's API is."""
        return self.github_url.rstrip("/") or f"http://127.0.0.1:{self.apis_port}/github"

    @property
    def history_start_moment(self) -> str:
        """The midnight (UTC) on which what is read begins."""
        return f"{self.history_start}T00:00:00Z"

    @property
    def local_apis(self) -> bool:
        """Whether a source in use is read from the local services."""
        served = {"rates": self.rates_url, "weather": self.weather_url, "github": self.github_url}
        return any(name in self.sources and not url for name, url in served.items())

    @property
    def lake_is_local(self) -> bool:
        """Whether the lake is the store of this machine."""
        return not self.lake_endpoint

    @property
    def lake_in_use(self) -> bool:
        """Whether a source that is in use lands in the lake, or is read from its bucket."""
        return any(self.lands_in_lake(source) or self.reads_lake(source) for source in self.sources)

    def lands_in_lake(self, source: str) -> bool:
        """Whether the connection of that name has the lake as its destination, as its file says."""
        return self._says("connections", source, LANDS_IN_LAKE)

    def reads_lake(self, source: str) -> bool:
        """Whether the source of that name is files in the lake's bucket, as its file says."""
        return self._says("sources", source, READS_LAKE)

    def _says(self, kind: str, source: str, what: re.Pattern[str]) -> bool:
        folders = [ROOT / "data-integration" / "connections", *folders_of(self.elt_connections)]
        files = [folder / kind / f"{source}.yaml" for folder in folders]
        return any(what.search(file.read_text(errors="replace")) for file in files if file.exists())

    @property
    def stream_kafka_is_local(self) -> bool:
        """Whether Kafka is the broker of this machine."""
        return not self.stream_kafka_brokers

    @property
    def stream_registry_is_local(self) -> bool:
        """Whether the schema registry is the one of this machine."""
        return not self.stream_registry_url

    @property
    def stream_brokers(self) -> str:
        """Where a client of Kafka begins."""
        return self.stream_kafka_brokers or f"127.0.0.1:{self.stream_kafka_port}"

    @property
    def stream_registry_base(self) -> str:
        """Where the schemas of events are."""
        return self.stream_registry_url.rstrip("/") or f"http://127.0.0.1:{self.stream_registry_port}"

    @property
    def stream_clickhouse_is_local(self) -> bool:
        """Whether ClickHouse is the one of this machine."""
        return not self.stream_clickhouse_url

    @property
    def stream_clickhouse_base(self) -> str:
        """Where the lane's ClickHouse answers."""
        return self.stream_clickhouse_url.rstrip("/") or f"http://127.0.0.1:{self.stream_clickhouse_port}"

    @property
    def stream_clickhouse_place(self) -> str:
        """Host and port of it, as a URI has them."""
        return self.stream_clickhouse_base.partition("://")[2]

    @property
    def stream_clickhouse_secure(self) -> str:
        """Whether it is reached by TLS, as a URI says it."""
        return str(self.stream_clickhouse_base.startswith("https://")).lower()

    def stream_clickhouse_login(self, *, writes: bool) -> tuple[str, str]:
        """Name and password of the user of ClickHouse that writes, or of the one that only reads."""
        if writes:
            return self.stream_clickhouse_user, self.stream_clickhouse_password.get_secret_value()
        return self.stream_clickhouse_reader, self.stream_clickhouse_reader_password.get_secret_value()

    @property
    def posts_glob(self) -> str:
        """The files of posts in the lake's bucket, as the connector for S3 looks for them."""
        folder = self.lake_path.strip("/")
        return f"{folder}/drops/posts/**/*.jsonl" if folder else "drops/posts/**/*.jsonl"

    @property
    def lake_base(self) -> str:
        """The endpoint of the lake's S3 API."""
        return self.lake_endpoint.rstrip("/") or f"http://127.0.0.1:{self.lake_port}"

    @property
    def lake_catalog_base(self) -> str:
        """The Iceberg REST catalogue of the lake's tables; "" where there is none."""
        if self.lake_catalog or not self.lake_is_local:
            return self.lake_catalog.rstrip("/")
        return f"http://127.0.0.1:{self.lake_catalog_port}"

    @property
    def lake_credentials(self) -> tuple[str, str]:
        """Key and secret. Elsewhere than on this machine those that are given, else none: the client finds some as AWS's tools do."""
        if not self.lake_is_local and not self.variable("LAKE_ACCESS_KEY_ID"):
            return "", ""
        return self.lake_access_key_id.get_secret_value(), self.lake_secret_access_key.get_secret_value()

    @property
    def docs_uri(self) -> str:
        """The folder of dbt's documentation."""
        # not as_uri(): the storage path takes a quoted blank for a name with %20 in it
        return self.dbt_docs_uri.rstrip("/") or f"file://{self.home}/docs"

    @property
    def airflow_base(self) -> str:
        """Where Airflow's pages and REST API are."""
        return self.airflow_url.rstrip("/") or f"http://127.0.0.1:{self.airflow_port}"

    @property
    def airflow_public(self) -> str:
        """Where a browser finds Airflow."""
        return self.airflow_public_url.rstrip("/") or self.airflow_base

    @model_validator(mode="after")
    def _known_sources(self) -> Settings:
        for folder in folders_of(self.elt_connections):
            if not folder.is_dir():
                raise EltError(
                    f"ELT_CONNECTIONS: there is no folder {folder}",
                    "set ELT_CONNECTIONS in .env or the environment to folders of connection files, with `:` between",
                )
        known = known_sources(self.elt_connections)
        if not self.sources:
            raise EltError(
                f"ELT_SOURCES: {self.elt_sources!r}: it names no source",
                f"set ELT_SOURCES in .env or the environment to some of {', '.join(known)}, with commas between",
            )
        if unknown := [name for name in self.sources if name not in known]:
            raise EltError(
                f"ELT_SOURCES: {unknown[0]!r}: there is no such source",
                f"set ELT_SOURCES in .env or the environment to some of {', '.join(known)}, with commas between",
            )
        return self

    @model_validator(mode="after")
    def _each_its_own(self) -> Settings:
        """Two users of one name would be one, with the rights of the later; two programs on one port could not both start."""
        users = {
            "Airflow": {
                "AIRFLOW_ADMIN_USER": self.airflow_admin_user,
                **{f"the user {name}": name for name in AIRFLOW_USERS},
            },
            "Superset": {
                "SUPERSET_ADMIN_USER": self.superset_admin_user,
                "SUPERSET_ANALYST_USER": self.superset_analyst_user,
            },
            "ClickHouse": {
                "STREAM_CLICKHOUSE_USER": self.stream_clickhouse_user,
                "STREAM_CLICKHOUSE_READER": self.stream_clickhouse_reader,
            },
        }
        for program, names in users.items():
            _distinct({name: value.casefold() for name, value in names.items()}, f"a user of {program}")
        if self.listen_host in LOOPBACK:  # else each program may have a container of its own
            _distinct({name.upper(): getattr(self, name) for name in self._ports_here}, "a port")
        return self

    @property
    def _ports_here(self) -> list[str]:
        """The settings of the ports on which programs of this machine listen."""
        ports = [name for name in type(self).model_fields if name.endswith("_port")]
        elsewhere = [
            f"{name}_port" for name in ("source", "metadata") if getattr(self, f"{name}_host") not in LOOPBACK
        ]
        return [name for name in ports if name not in (*elsewhere, "snowflake_emulator_port")]

    @model_validator(mode="after")
    def _snowflake_names(self) -> Settings:
        for field, name in SNOWFLAKE_NAMES.items():
            if not getattr(self, field):
                setattr(self, field, name + suffix_of(self.snowflake_environment))
        if not self.snowflake_account:
            self.snowflake_account = self.snowflake_host.removesuffix(".snowflakecomputing.com")
        return self

    @property
    def snowflake_variables(self) -> dict[str, str]:
        """The names in Snowflake, as dbt's profile and project look for them in the environment."""
        return {field.upper(): getattr(self, field) for field in SNOWFLAKE_NAMES}

    @property
    def snowflake_published(self) -> str:
        """The database and schema that analysts read."""
        return f"{self.snowflake_database}/MARTS"

    @property
    def superset_url(self) -> str:
        """Where `elt dashboards` works: the Superset of this machine, unless another is named."""
        return (self.dashboards_url or f"http://127.0.0.1:{self.superset_port}").rstrip("/")

    @property
    def slack_webhook_host(self) -> str:
        """The base of the webhook on one machine; the token is the connection's password, never part of this."""
        return f"http://{self.sink_host}:{self.sink_port}/services"


def read_env_file(path: Path) -> dict[str, str]:
    """Read the variables of a file as python-dotenv does (quotes, comments, `export`), but take `$` as it is.

    A file that does not exist has no variables. Raises EltError that names the first line which is not `KEY=value`.
    """
    if not path.exists():
        if path.is_symlink():
            raise EltError(
                f"{path} can't be read: it is a link to a file that is not there", "mend or remove it"
            )
        return {}
    if path.is_fifo():  # reading it would wait for somebody who writes
        raise EltError(f"{path} can't be read: it is a named pipe", "mend or remove it")
    values: dict[str, str] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EltError(f"{path} can't be read: {error}", "mend or replace the file") from None
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string[:blank].count("\n")
            raise EltError(
                f"{path}, line {line}: not a KEY=value line", "write KEY=value there, or remove the line"
            )
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def generated_secrets(home: Path) -> dict[str, str]:
    """The secrets of this `ELT_HOME`, completed and stored (mode 0600) when some are not there yet.

    Raises EltError: others can read the file, or it, or a secret in it, is lost while there is state that was made with it.
    """
    path = home / SECRETS
    known = _kept_secrets(path)
    missing = {name: make() for name, make in GENERATED.items() if name not in known}
    if missing:
        from filelock import FileLock

        try:
            if not home.exists():
                tighten(home)
            with FileLock(home / "secrets.lock", mode=0o600):
                known = _kept_secrets(path)  # another process may have been first
                complete = {name: known.get(name) or value for name, value in {**missing, **known}.items()}
                draft = path.with_suffix(".tmp")
                draft.unlink(missing_ok=True)  # of a process that was killed
                draft.touch(mode=0o600)
                draft.write_text("".join(f"{name}={value}\n" for name, value in sorted(complete.items())))
                draft.replace(path)
                known = complete
        except OSError as error:
            raise EltError(
                f"ELT_HOME: {home} can't be written: {error.strerror or error}",
                "set ELT_HOME in .env or the environment to a folder that you may write",
            ) from None
    return known


# what only the secret that it was made with can open
SEALED = {
    "AIRBYTE_ENCRYPTION_KEY": "airbyte/airbyte.sqlite",
    "METADATA_PASSWORD": "metadata/PG_VERSION",  # pragma: allowlist secret
}


def _kept_secrets(path: Path) -> dict[str, str]:
    """What secrets.env holds. Raises EltError, see generated_secrets."""
    if path.exists() and (mode := open_to_others(path)):
        raise EltError(
            f"{path} can be read by others (mode {mode})",
            f"chmod 600 {path}; where others have an account here, change the secrets (docs/security.md)",
        )
    known = read_env_file(path)
    sealed = {
        name: made for name, made in SEALED.items() if name not in known and (path.parent / made).exists()
    }
    none = not known.keys() & GENERATED.keys()
    if sealed or (none and path.exists()):
        found = "is lost" if not path.exists() else "is empty" if none else f"lacks {next(iter(sealed))}"
        with_it = f", and {next(iter(sealed.values()))} was made with it" if sealed else ""
        raise EltError(
            f"{path} {found}{with_it}",
            (
                "put it back, from `backups` for one; or start over with `elt clean`"
                if sealed
                else "remove it: a new one is made"
            ),
        )
    return known


def _shown(name: str, value: str) -> str:
    """A value in an error; never a secret's."""
    field = Settings.model_fields[name.lower()]
    return "***" if field.annotation is SecretStr else repr(value)


def _our_words(message: str) -> str:
    """Pydantic's message as a part of our line."""
    return message.removeprefix("Value error, ").replace("Input should be", "it should be")


def load_settings(environ: dict[str, str] | None = None) -> Settings:
    """Read the settings; then see that the secrets are there. Raises EltError that names the variable when a value has the
    wrong form, and then nothing has been made."""
    environ = dict(os.environ if environ is None else environ)
    given = read_env_file(ENV_FILE) | {k: v for k, v in environ.items() if v}
    home = home_of(given.get("ELT_HOME") or str(Settings.model_fields["elt_home"].default))
    kept = _kept_secrets(home / SECRETS)
    invented = {name: make() for name, make in GENERATED.items() if name not in kept}
    loaded = _validated(invented | kept | given, given, home)
    if invented:
        loaded = _validated(generated_secrets(home) | given, given, home)
    loaded._given = given
    return loaded


def _validated(values: dict[str, str], given: dict[str, str], home: Path) -> Settings:
    try:
        return Settings.model_validate(
            {name: values[name.upper()] for name in Settings.model_fields if values.get(name.upper())}
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        where = ".env or the environment" if name in given else str(home / SECRETS)
        raise EltError(
            f"{name}: {_shown(name, values.get(name, ''))}: {_our_words(first['msg'])}",
            f"set {name} in {where} to another value",
        ) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process."""
    return load_settings()
