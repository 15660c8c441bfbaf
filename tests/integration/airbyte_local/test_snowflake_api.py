"""The Snowflake destination as the API's users configure it: the unmodified SDK, real job processes, the emulated Snowflake."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from uuid import uuid4

import jwt
import pytest
from airbyte_api import models
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.faults import Proxy, proxy
from tests.fixtures.snowflake import Snowflake
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local.conftest import source_configuration, stream

PASSWORD = "a password that nobody may see"
PASSPHRASE = "a passphrase that nobody may see"


@pytest.fixture(scope="module")
def watched(snowflake_emulator: Snowflake) -> Iterator[Proxy]:
    """A proxy that hears what is said at the login."""
    with proxy(snowflake_emulator.port) as made:
        yield made


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey, passphrase: str | None = None) -> str:
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


def configuration(port: int, credentials: object, **changes: object) -> models.DestinationSnowflake:
    return models.DestinationSnowflake(
        host=f"127.0.0.1:{port}",
        jdbc_url_params="ssl=off",
        role="LOADER",
        warehouse="LOADING",
        database=f"RAW_{uuid4().hex.upper()}",
        schema_="PUBLIC",
        username="AIRBYTE",
        credentials=credentials,
        cdc_deletion_mode=models.DestinationSnowflakeCDCDeletionMode.SOFT_DELETE,
        **changes,
    )


class Made:
    """A connection from the shop into the emulator, made with the SDK."""

    def __init__(
        self, airbyte: AirbyteServer, shop: SourceDatabase, destination: models.DestinationSnowflake
    ) -> None:
        self.server, sdk = airbyte, airbyte.sdk
        workspace = sdk.workspaces.list_workspaces(request={}).workspaces_response.data[0].workspace_id
        source = airbyte.http.post(
            "/sources",
            json={"name": "shop", "workspaceId": workspace, "configuration": source_configuration(shop)},
        ).json()
        self.destination = sdk.destinations.create_destination(
            request=models.DestinationCreateRequest(
                name="warehouse",
                workspace_id=workspace,
                configuration=destination,
                definition_id="424892c4-daac-4491-b35d-c6688ba547ba",
            )
        ).destination_response
        body = {
            "name": "shop",
            "sourceId": source["sourceId"],
            "destinationId": self.destination.destination_id,
            "namespaceDefinition": "custom_format",
            "namespaceFormat": "raw_${SOURCE_NAMESPACE}",
            "configurations": {"streams": [stream("shop.orders")]},
        }
        self.connection_id = (
            airbyte.http.post("/connections", json=body).raise_for_status().json()["connectionId"]
        )

    def sync(self) -> tuple[dict, str]:
        """Run a sync; the job's answer and its log."""
        request = models.JobCreateRequest(connection_id=self.connection_id, job_type=models.JobTypeEnum.SYNC)
        job_id = self.server.sdk.jobs.create_job(request=request).job_response.job_id
        return self.server.wait(job_id), self.server.log(job_id)


def test_a_destination_made_with_the_sdk_is_synced_into(
    airbyte: AirbyteServer, shop: SourceDatabase, watched: Proxy, snowflake_emulator: Snowflake
) -> None:
    credentials = models.DestinationSnowflakeUsernameAndPassword(password=PASSWORD)
    destination = configuration(watched.port, credentials)
    made = Made(airbyte, shop, destination)
    with shop.connect() as owner:
        owner.execute("insert into shop.orders (id, total, updated) values (1, 2.5, '2024-01-01')")
    watched.reset()
    job, log = made.sync()
    assert (job["status"], job["rowsSynced"]) == ("succeeded", 1), log
    with snowflake_emulator.connect(database=destination.database) as session:
        assert session.cursor().execute("select ID, TOTAL from RAW_SHOP.ORDERS").fetchall() == [(1, 2.5)]
    assert watched.logins[0]["LOGIN_NAME"] == "AIRBYTE"
    assert watched.logins[0]["PASSWORD"] == PASSWORD
    parameters = watched.logins[0]["SESSION_PARAMETERS"]
    assert parameters["TIMEZONE"] == "UTC"  # the emulator has no other
    assert parameters["ERROR_ON_NONDETERMINISTIC_MERGE"] is True


def test_a_key_pair_proves_who_logs_in(
    airbyte: AirbyteServer, shop: SourceDatabase, watched: Proxy, key: rsa.RSAPrivateKey
) -> None:
    """The emulator takes any login, so the token is checked here as Snowflake checks it."""
    credentials = models.DestinationSnowflakeKeyPairAuthentication(
        private_key=pem(key, PASSPHRASE), private_key_password=PASSPHRASE
    )
    made = Made(airbyte, shop, configuration(watched.port, credentials))
    watched.reset()
    job, log = made.sync()
    assert job["status"] == "succeeded", log
    login = watched.logins[0]
    assert login["AUTHENTICATOR"] == "SNOWFLAKE_JWT"
    assert not login.get("PASSWORD")
    public = key.public_key()
    claims = jwt.decode(login["TOKEN"], public, algorithms=["RS256"])
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
    assert claims["sub"] == "LOCAL.AIRBYTE"
    assert claims["iss"] == f"LOCAL.AIRBYTE.{fingerprint}"


def test_secrets_are_in_no_log_answer_or_error(
    airbyte: AirbyteServer, shop: SourceDatabase, key: rsa.RSAPrivateKey, watched: Proxy
) -> None:
    """Neither when all goes well, nor when nobody answers, nor when the key is of no use."""
    text = pem(key, PASSPHRASE)
    secrets = [PASSPHRASE, PASSWORD, *text.splitlines()[1:-1]]
    pair = models.DestinationSnowflakeKeyPairAuthentication
    password = models.DestinationSnowflakeUsernameAndPassword(password=PASSWORD)
    cases = [
        (
            configuration(watched.port, pair(private_key=text, private_key_password=PASSPHRASE)),
            "succeeded",
            "",
        ),
        (configuration(watched.port, password), "succeeded", ""),
        (
            configuration(watched.port, pair(private_key=text, private_key_password=PASSWORD)),
            "failed",
            "the destination's private_key cannot be read (ValueError) — give private_key_password",
        ),
    ]
    for destination, status, reason in cases:
        made = Made(airbyte, shop, destination)
        job, log = made.sync()
        assert job["status"] == status, log
        assert reason in (job.get("failureReason") or "")
        answer = airbyte.http.get(f"/destinations/{made.destination.destination_id}").text
        server_log = (airbyte.home / "server.log").read_text()
        for secret in secrets:
            assert not any(secret in told for told in (log, answer, server_log, str(job)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cdc_deletion_mode": "Hard delete"}, "configuration.cdc_deletion_mode"),
        ({"disable_type_dedupe": True}, "configuration.disable_type_dedupe"),
        ({"raw_data_schema": "elsewhere"}, "configuration.raw_data_schema"),
        ({"jdbc_url_params": "tracing=ALL"}, "tracing=ALL is not supported"),
        ({"host": "xy12345.snowflakecomputing.com"}, "ssl=off is only for an emulator on this machine"),
        ({"host": "https://xy12345.snowflakecomputing.com"}, "configuration.host"),
        ({"credentials": {"auth_type": "OAuth2.0"}}, "configuration.credentials.auth_type"),
        ({"credentials": {"auth_type": "Key Pair Authentication"}}, "configuration.credentials.private_key"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    airbyte: AirbyteServer, changes: dict[str, object], words: str
) -> None:
    credentials = models.DestinationSnowflakeUsernameAndPassword(password=PASSWORD)
    wanted = configuration(8084, credentials).model_dump(mode="json", by_alias=True) | changes
    workspace = airbyte.http.get("/workspaces").json()["data"][0]["workspaceId"]
    answer = airbyte.http.post(
        "/destinations", json={"name": "w", "workspaceId": workspace, "configuration": wanted}
    )
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert PASSWORD not in answer.text
