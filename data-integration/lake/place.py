"""Where the lake is, and how its tables are catalogued: the one place that says so, for the loader, Iceberg and Spark alike."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from airbyte_local.destinations.lake.store import Place, Store
from foundation.errors import EltError
from foundation.settings import Settings


def place(config: Settings) -> Place:
    """The bucket that LAKE_ENDPOINT and LAKE_BUCKET name; without an endpoint that of this machine."""
    access_key, secret_key = config.lake_credentials
    return Place(
        bucket=config.lake_bucket,
        endpoint=config.lake_base,
        folder=config.lake_path.strip("/"),
        region=config.lake_region,
        access_key_id=access_key,
        secret_access_key=secret_key,
    )


def store(config: Settings) -> Store:
    return Store(place(config))


@lru_cache(maxsize=8)
def _table_buckets(where: Place) -> Any:
    """A client; one takes a tenth of a second of processor to make."""
    return Session().create_client(
        "s3tables",
        region_name=where.region,
        endpoint_url=where.endpoint,
        aws_access_key_id=where.access_key_id,
        aws_secret_access_key=where.secret_access_key,
        config=Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 1}),
    )


def make_table_bucket(config: Settings) -> None:
    """Make the bucket of the local catalogue's tables, unless it is there: each such bucket is a catalogue of its own."""
    client = _table_buckets(place(config))
    name = config.lake_catalog_warehouse
    try:
        there = client.list_table_buckets(prefix=name).get("tableBuckets", [])
        if not any(each["name"] == name for each in there):
            client.create_table_bucket(name=name)
    except (BotoCoreError, ClientError) as error:
        raise EltError(
            f"the catalogue's bucket {name} can't be made: {type(error).__name__}", "elt logs lake"
        ) from None


def catalogue(config: Settings) -> dict[str, str]:
    """The properties with which an Iceberg client (pyiceberg, Spark's `spark.sql.catalog.…`) opens the catalogue. No credential is among
    them: `credentials` are."""
    return {
        "type": "rest",
        "uri": config.lake_catalog_base,
        "warehouse": config.lake_catalog_warehouse,
        "rest.sigv4-enabled": "true",
        "rest.signing-name": "s3tables",
        "rest.signing-region": config.lake_region,
        "s3.endpoint": config.lake_base,
        "s3.region": config.lake_region,
    }


def credentials(config: Settings) -> dict[str, str]:
    """What a client's process has in its environment, by AWS's names."""
    access_key, secret_key = config.lake_credentials
    if not access_key:
        return {"AWS_REGION": config.lake_region}
    return {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_REGION": config.lake_region,
    }
