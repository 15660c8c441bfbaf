"""Objects in one bucket, by the S3 API: AWS, SeaweedFS or any other, by endpoint and bucket alone.

No key of an object, no error and no log line holds a credential: they go to the client and nowhere else.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from foundation.errors import EltError, Kind

REGION = "us-east-1"
PIECE = 1 << 20  # bytes of a download
DELETED_AT_ONCE = 1000  # by one request, at most
TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
REFUSED = frozenset({"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


@dataclass(frozen=True)
class Place:
    """Where a lake is. `endpoint`: empty for AWS. Without `access_key_id` the client finds credentials as AWS's tools do."""

    bucket: str
    endpoint: str = ""
    folder: str = ""  # within the bucket
    region: str = REGION
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, configuration: dict[str, Any]) -> Place:
        """From a destination's configuration, with Airbyte's keys for S3."""
        return cls(
            bucket=configuration["s3_bucket_name"],
            endpoint=configuration.get("s3_endpoint") or "",
            folder=(configuration.get("s3_bucket_path") or "").strip("/"),
            region=configuration.get("s3_bucket_region") or REGION,
            access_key_id=configuration.get("access_key_id") or "",
            secret_access_key=configuration.get("secret_access_key") or "",
        )

    @property
    def label(self) -> str:
        """For people."""
        folder = f"/{self.folder}" if self.folder else ""
        return f"s3://{self.bucket}{folder}" + (f" at {self.endpoint}" if self.endpoint else "")


@dataclass(frozen=True)
class Found:
    """An object as a list has it."""

    key: str
    size: int
    modified: datetime


@lru_cache(maxsize=8)
def _client(place: Place) -> Any:
    """A client; one takes a tenth of a second of processor to make, and serves many threads."""
    given = (
        {"aws_access_key_id": place.access_key_id, "aws_secret_access_key": place.secret_access_key}
        if place.access_key_id
        else {}
    )
    return Session().create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint or None,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=16,
            retries={"mode": "standard", "max_attempts": 4},
            s3={"addressing_style": "path" if place.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        **given,
    )


class Store:
    """The objects of a lake; keys count from its folder."""

    def __init__(self, place: Place) -> None:
        self.place, self._client = place, _client(place)
        self._prefix = f"{place.folder}/" if place.folder else ""

    def uri(self, key: str) -> str:
        """The object's address for other programs."""
        return f"s3://{self.place.bucket}/{self._prefix}{key}"

    def make_bucket(self) -> None:
        """Make the bucket, unless it is there."""
        with self._explaining("making the bucket"):
            try:
                self._client.head_bucket(Bucket=self.place.bucket)
            except ClientError as error:
                if _code(error) not in MISSING | {"NoSuchBucket"}:
                    raise
                self._client.create_bucket(Bucket=self.place.bucket)

    def put(self, key: str, body: bytes | Path) -> None:
        """Write an object."""
        with self._explaining(f"writing {key}"):
            if isinstance(body, Path):
                with body.open("rb") as file:
                    self._client.put_object(Bucket=self.place.bucket, Key=self._prefix + key, Body=file)
            else:
                self._client.put_object(Bucket=self.place.bucket, Key=self._prefix + key, Body=body)

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object that is not there yet; False when it is. A request that was sent again may find its own object."""
        with self._explaining(f"writing {key}"):
            try:
                self._client.put_object(
                    Bucket=self.place.bucket, Key=self._prefix + key, Body=body, IfNoneMatch="*"
                )
            except ClientError as error:
                if _code(error) in TAKEN:
                    return False
                raise
        return True

    def check(self) -> None:
        """Raises EltError unless an object can be written and read: a store that has just started may not find what it has."""
        key = f"probes/{uuid.uuid4().hex}"
        self.put(key, b"1")
        found = self.get(key)
        self.delete([key])
        if found != b"1":
            raise EltError(
                f"the store {self.place.label} does not find what was just written", "see the store's log"
            )

    def check_put_new(self) -> None:
        """Raises EltError when the store takes a second object for a new one: two jobs could then commit the same number."""
        key = f"probes/{uuid.uuid4().hex}"
        try:
            if self.put_new(key, b"1") and not self.put_new(key, b"2"):
                return
        finally:
            self.delete([key])
        raise EltError(
            f"the store {self.place.label} ignores If-None-Match, by which one of two writers is refused",
            "take a store with conditional writes: AWS S3, SeaweedFS, MinIO, Cloudflare R2",
        )

    def get(self, key: str) -> bytes | None:
        """An object's content; None when it is not there."""
        with self._explaining(f"reading {key}"):
            try:
                answer = self._client.get_object(Bucket=self.place.bucket, Key=self._prefix + key)
                body: bytes = answer["Body"].read()
            except ClientError as error:
                if _code(error) in MISSING:
                    return None
                raise
        return body

    def download(self, key: str, to: Path, sha256: str) -> None:
        """An object into a file, piece by piece. Raises EltError when it is not there, or has another content than its manifest
        says; then there is no file."""
        begun = to.with_name(f"{to.name}.part")
        digest = self._fetched(key, begun)
        if digest != sha256:
            begun.unlink(missing_ok=True)
            found = "is missing" if digest is None else "has another content than when it was written"
            raise EltError(
                f"{self.uri(key)} {found}",
                "restore it from the store's backup, or read the tables again: elt airbyte refresh",
            )
        begun.replace(to)

    def _fetched(self, key: str, to: Path) -> str | None:
        """Write an object into a file; returns its SHA-256, None when it is not there."""
        digest = hashlib.sha256()
        with self._explaining(f"reading {key}"):
            try:
                answer = self._client.get_object(Bucket=self.place.bucket, Key=self._prefix + key)
            except ClientError as error:
                if _code(error) in MISSING:
                    return None
                raise
            with to.open("wb") as file:
                for piece in answer["Body"].iter_chunks(PIECE):
                    digest.update(piece)
                    file.write(piece)
        return digest.hexdigest()

    def objects(self, prefix: str, limit: int | None = None) -> Iterator[Found]:
        """The objects below a prefix in the order of their keys; `limit`: the first of them."""
        some = {"MaxItems": limit, "PageSize": min(limit or 1000, 1000)}
        for page in self._listed(prefix, PaginationConfig=some):
            for item in page.get("Contents", ()):
                yield Found(item["Key"][len(self._prefix) :], item["Size"], item["LastModified"])

    def folders(self, prefix: str) -> list[str]:
        """The names directly below a prefix, which ends with a slash."""
        begin = len(self._prefix) + len(prefix)
        return [
            item["Prefix"][begin:].rstrip("/")
            for page in self._listed(prefix, Delimiter="/")
            for item in page.get("CommonPrefixes", ())
        ]

    def _listed(self, prefix: str, **how: Any) -> Iterator[dict[str, Any]]:
        """The store's answers, page by page."""
        with self._explaining(f"listing {prefix}"):
            yield from self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.place.bucket, Prefix=self._prefix + prefix, **how
            )

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is none to delete."""
        left = [{"Key": self._prefix + key} for key in keys]
        with self._explaining("deleting objects"):
            for start in range(0, len(left), DELETED_AT_ONCE):
                some = left[start : start + DELETED_AT_ONCE]
                answer = self._client.delete_objects(
                    Bucket=self.place.bucket, Delete={"Objects": some, "Quiet": True}
                )
                for error in answer.get("Errors", ()):
                    raise EltError(
                        f"the store {self.place.label} does not delete {error.get('Key')}: {error.get('Code')}",
                        "give the user the right to delete objects (s3:DeleteObject)",
                    )

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._explained(error, doing) from None
        except BotoCoreError as error:
            raise EltError(
                f"the store {self.place.label} can't be reached, {doing}: {type(error).__name__}",
                "check s3_endpoint and that it runs (here: elt up lake), then try again",
                kind=Kind.RETRY,
            ) from None

    def _explained(self, error: ClientError, doing: str) -> EltError:
        code = _code(error)
        if code in REFUSED:
            return EltError(
                f"the store {self.place.label} refuses this user, {doing}: {code}",
                "correct access_key_id and secret_access_key, or give it rights on this bucket",
            )
        if code == "NoSuchBucket":
            return EltError(
                f"there is no bucket {self.place.bucket}, {doing}", "make it, or correct its name"
            )
        said = error.response.get("Error", {}).get("Message", "")
        return EltError(
            f"the store {self.place.label} refused, {doing}: {code} {said}".rstrip(),
            "see the store's log",
            kind=Kind.RETRY,
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
