"""Where the lake is, and how its tables are catalogued: the one place that says so, for the loader, Iceberg and Spark alike."""

from __future__ import annotations

from airbyte_local.destinations.lake.store import Place, Store
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


def catalogue(config: Settings) -> dict[str, str]:
    """The properties with which an Iceberg client (pyiceberg, Spark's `spark.sql.catalog.…`) opens the catalogue. No credential is among
    them: `credentials` are."""
    return {
        "type": "rest",
        "uri": config.lake_catalog_base,
        "warehouse": config.lake_catalog_warehouse,
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
