"""Encrypted connections, against a PostgreSQL that has OpenSSL: the wheel's has not, so the system's is used."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airbyte_config.definitions import Actor
from airbyte_config.source import open_source
from foundation.errors import EltError
from stack.postgres import NOBODY, flags
from tests.fixtures.source import free_port
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import Engine, stream

PASSWORD, KEY_PASSWORD = "tls test", "key test"
ORDERS = stream("public.orders", "full_refresh_overwrite")
SETUP = """
create role airbyte_reader login password 'tls test' in role pg_read_all_stats;
create role certified login password 'tls test' in role pg_read_all_stats;
create table orders (id integer primary key);
insert into orders values (1), (2);
grant select on orders to airbyte_reader, certified;
"""
ADMISSION = """
hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all all 127.0.0.1/32 scram-sha-256
"""


def system_binaries() -> Path | None:
    """The folder of a PostgreSQL that was built with OpenSSL."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("pg_config"):
        places.append(Path(subprocess.check_output([found, "--bindir"], text=True).strip()))
    for place in places:
        config = place / "pg_config"
        if (place / "initdb").exists() and config.exists():
            built = subprocess.check_output([config, "--configure"], text=True)
            if "openssl" in built:
                return place
    return None


@dataclass
class Authority:
    """Signs certificates; its own is what a client trusts."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, _signed(name, key.public_key(), name, key, authority=True))

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, name: str, password: str = "") -> tuple[str, str]:
        """A certificate and its key, encrypted with `password` if there is one, for a host or a user."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        certificate = _signed(name, key.public_key(), issuer, self.key)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            (
                serialization.BestAvailableEncryption(password.encode())
                if password
                else serialization.NoEncryption()
            ),
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


def _signed(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )


@dataclass
class TlsServer:
    """A server whose certificate is for the host `localhost` alone."""

    port: int
    authority: Authority

    def configuration(
        self, ssl_mode: dict[str, Any], user: str = "airbyte_reader", host: str = "127.0.0.1"
    ) -> dict[str, Any]:
        return {
            "host": host,
            "port": self.port,
            "database": "postgres",
            "username": user,
            "password": PASSWORD,
            "schemas": ["public"],
            "ssl_mode": ssl_mode,
            "replication_method": {"method": "Standard"},
        }


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    binaries = system_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL with OpenSSL on this machine (Debian's package postgresql has one)")
    root = os.geteuid() == 0
    as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
    home = Path(tempfile.mkdtemp(prefix="elt-tls-server-"))
    data, authority, port = home / "data", Authority.make("elt test authority"), free_port()
    process = None
    try:
        if root:
            os.chown(home, NOBODY, NOBODY)
        initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=home, **as_user)
        certificate, key = authority.issue("localhost")
        for name, content in {
            "server.crt": certificate,
            "server.key": key,
            "root.crt": authority.pem,
        }.items():
            (data / name).write_text(content)
            (data / name).chmod(0o600)
            if root:
                os.chown(data / name, NOBODY, NOBODY)
        (data / "pg_hba.conf").write_text("local all postgres trust\n" + ADMISSION)
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": home,
            "ssl": "on",
            "ssl_ca_file": "root.crt",
            "fsync": "off",
        }
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(port), *flags(options)],
            stdout=subprocess.DEVNULL,
            stderr=(home / "log").open("wb"),
            cwd=home,
            **as_user,
        )
        socket = f"host={home} port={port} user=postgres dbname=postgres"
        wait_until(lambda: _answers(socket), 30)
        with psycopg.connect(socket) as connection:
            connection.execute(SETUP)
        yield TlsServer(port, authority)
    finally:
        if process is not None:
            process.terminate()
            process.wait(30)
        shutil.rmtree(home)


def _answers(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(source=None, warehouse=tmp_path / "warehouse.duckdb")


def test_a_server_that_wants_encryption_is_synced_in_every_mode_that_encrypts(
    server: TlsServer, engine: Engine
) -> None:
    ca = server.authority.pem
    for host, ssl_mode in (
        ("127.0.0.1", {"mode": "require"}),
        ("127.0.0.1", {"mode": "prefer"}),
        ("127.0.0.1", {"mode": "verify-ca", "ca_certificate": ca}),
        ("localhost", {"mode": "verify-full", "ca_certificate": ca}),
    ):
        assert engine.sync(ORDERS, source=server.configuration(ssl_mode, host=host)) == {"orders": (2, 2)}


def test_what_is_wrong_with_the_encryption_is_said_with_a_remedy(server: TlsServer, engine: Engine) -> None:
    ca, stranger = server.authority.pem, Authority.make("somebody else").pem
    for ssl_mode, found, remedy in (
        ({"mode": "disable"}, "no encryption", "allow this user, database and TLS mode"),
        ({"mode": "verify-ca", "ca_certificate": stranger}, "certificate verify failed", "ca_certificate"),
        ({"mode": "verify-full", "ca_certificate": stranger}, "certificate verify failed", "ca_certificate"),
        ({"mode": "verify-full", "ca_certificate": ca}, "does not match host name", "verify-ca"),
        ({"mode": "verify-ca", "ca_certificate": "not PEM"}, "certificate", "ssl_mode"),
    ):
        with pytest.raises(EltError) as error:
            engine.sync(ORDERS, source=server.configuration(ssl_mode))
        assert found in str(error.value)
        assert remedy in str(error.value.remedy)


def test_a_client_certificate_with_an_encrypted_key_lets_in_and_leaves_no_file(
    server: TlsServer, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "files"))
    (tmp_path / "files").mkdir()
    certificate, key = server.authority.issue("certified", KEY_PASSWORD)
    ssl_mode = {
        "mode": "verify-ca",
        "ca_certificate": server.authority.pem,
        "client_certificate": certificate,
        "client_key": key,
        "client_key_password": KEY_PASSWORD,
    }
    assert engine.sync(ORDERS, source=server.configuration(ssl_mode, "certified")) == {"orders": (2, 2)}
    assert list((tmp_path / "files").iterdir()) == []
    with pytest.raises(EltError) as error:
        wrong = ssl_mode | {"client_key_password": "not it"}
        engine.sync(ORDERS, source=server.configuration(wrong, "certified"))
    assert "client_key_password" in str(error.value.remedy)
    assert "not it" not in str(error.value)
    with pytest.raises(EltError, match="certificate"):
        engine.sync(
            ORDERS,
            source=server.configuration(
                {"mode": "verify-ca", "ca_certificate": server.authority.pem}, "certified"
            ),
        )


def test_verify_reaches_the_source_with_the_same_certificates(server: TlsServer) -> None:
    ssl_mode = {"mode": "verify-full", "ca_certificate": server.authority.pem}
    values = {"sourceType": "postgres"} | server.configuration(ssl_mode, host="localhost")
    actor = Actor(
        document=None,
        name="tls",
        kind="source",
        definition_id=None,
        configuration=values,
        values=values,
        secrets={},
    )
    with open_source(actor) as source:
        assert ("public", "orders") in source.tables
    del ssl_mode["ca_certificate"]
    with pytest.raises(EltError, match="certificate"), open_source(actor):
        pass
