"""What the configuration of a lake may hold, and what a client is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airbyte_local.api.configurations import DestinationLake
from airbyte_local.destinations.lake.store import Place
from airbyte_local.masking import masked

CONFIGURATION = {
    "destinationType": "lake",
    "s3_bucket_name": "elt-lake",
    "s3_bucket_path": "elt",
    "s3_bucket_region": "eu-central-1",
    "s3_endpoint": "https://s3.eu-central-1.amazonaws.com",
    "access_key_id": "KEY",
    "secret_access_key": "a secret",  # pragma: allowlist secret
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"s3_endpoint": "http://store.example.com"}, "without TLS .* only for a store on this machine"),
        ({"s3_endpoint": "http://127.0.0.1.example.com:80"}, "only for a store on this machine"),
        ({"s3_endpoint": "https://KEY:secret@store.example.com"}, "pattern"),  # pragma: allowlist secret
        ({"s3_endpoint": "ftp://127.0.0.1"}, "pattern"),
        ({"s3_bucket_name": "Not A Bucket"}, "pattern"),
        ({"s3_bucket_path": "a b"}, "pattern"),
        ({"secret_access_key": ""}, "go together"),
        ({"format": "csv"}, "Extra inputs"),
    ],
)
def test_a_configuration_that_would_not_do_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DestinationLake.model_validate(CONFIGURATION | changes)


def test_a_store_is_named_by_endpoint_and_bucket_and_shows_no_key() -> None:
    DestinationLake.model_validate(CONFIGURATION)
    DestinationLake.model_validate(CONFIGURATION | {"s3_endpoint": "http://localhost:8333"})
    place = Place.of(CONFIGURATION)
    assert place.label == "s3://elt-lake/elt at https://s3.eu-central-1.amazonaws.com"
    assert "a secret" not in repr(place) and "KEY" not in repr(place)
    shown = masked(CONFIGURATION)
    assert (shown["access_key_id"], shown["secret_access_key"]) == ("******", "******")
