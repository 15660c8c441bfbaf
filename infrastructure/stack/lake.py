"""The lake's store on one machine: SeaweedFS, an S3 API and an Iceberg REST catalogue in one program, on 127.0.0.1 alone.

It is in an environment of its own (infrastructure/lake), made when it is first needed.

The parts of which it is made trust whoever reaches their ports. So they know each other by a certificate and keys that each start makes anew,
and answer no HTTP but for the content of files, with a token of those keys.
"""

from __future__ import annotations

import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from foundation.errors import EltError, one_line
from foundation.own_environment import LAKE
from foundation.private import private
from foundation.settings import Settings
from foundation.settings import settings as this_process

INNER = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3.grpc")
PARTS = ("MASTER", "VOLUME", "FILER", "S3", "CLIENT")
TOKENS = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")
LOOPBACK = "127.0.0.1"
VOLUME_MB = 256


def ports(config: Settings) -> dict[str, int]:
    """Every port of the store: the two that others use, and those of its own parts."""
    return {
        "LAKE_PORT": config.lake_port,
        "LAKE_CATALOG_PORT": config.lake_catalog_port,
        **{f"LAKE_INNER_PORT ({name})": port for name, port in _inner_ports(config).items()},
    }


def _inner_ports(config: Settings) -> dict[str, int]:
    return {name: config.lake_inner_port + index for index, name in enumerate(INNER)}


def command(config: Settings) -> list[str]:
    """The program with all of its ports: what it is not told it takes by itself, and some on every interface."""
    inner = _inner_ports(config)
    return [
        str(LAKE.folder / "bin" / "weed"),
        "-logtostderr=true",  # and into no file below /tmp
        "server",
        "-disableHttp",  # the master's gives a token to whoever asks
        f"-dir={config.home / 'lake'}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        f"-master.port={inner['master']}",
        f"-master.port.grpc={inner['master.grpc']}",
        f"-master.volumeSizeLimitMB={VOLUME_MB}",
        f"-volume.port={inner['volume']}",
        f"-volume.port.grpc={inner['volume.grpc']}",
        "-volume.max=0",
        "-volume.preStopSeconds=0",  # nobody has to learn first that it stops
        "-filer",
        "-filer.disableHttp",
        f"-filer.port={inner['filer']}",
        f"-filer.port.grpc={inner['filer.grpc']}",
        "-s3",
        f"-s3.port={config.lake_port}",
        f"-s3.port.grpc={inner['s3.grpc']}",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        f"-s3.port.iceberg={config.lake_catalog_port}",
    ]


def environment(config: Settings) -> dict[str, str]:
    """The program's environment: the one user of the store, what its parts know each other by (made here), and nothing of ours besides."""
    access_key, secret_key = config.lake_credentials
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TZ", "ELT_STACK")}
    user = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key}
    return kept | user | _parts_know_each_other(config.home / "run" / "lake")


def _parts_know_each_other(folder: Path) -> dict[str, str]:
    """The settings by which one part of the store lets in another: a certificate for calls, and keys that sign tokens for files."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "lake")]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = {
        "certificate": certificate.public_bytes(Encoding.PEM),
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for each, content in files.items():
        draft = folder / f"{each}.new"
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(folder / each)
    known = {"WEED_GRPC_CA": str(folder / "certificate")}
    for part in PARTS:
        known |= {
            f"WEED_GRPC_{part}_CERT": str(folder / "certificate"),
            f"WEED_GRPC_{part}_KEY": str(folder / "key"),
        }
    return known | {f"WEED_{token}_KEY": secrets.token_hex(32) for token in TOKENS}


def prepare(config: Settings) -> None:
    """Make the environment and the store's folder."""
    LAKE.install(["making the lake's environment .venv-lake (once) …"])
    (config.home / "lake").mkdir(parents=True, exist_ok=True)


def ready(config: Settings) -> bool:
    """Whether the store lets its user in, and keeps objects; its buckets are made when it does so for the first time."""
    from lake.place import make_table_bucket, store

    try:
        store(config).make_bucket()
        store(config).check()
        make_table_bucket(config)
        return httpx.get(f"{config.lake_catalog_base}/v1/config", timeout=2).status_code < 500
    except (EltError, httpx.HTTPError):
        return False


def serve(config: Settings) -> None:
    """Become the store."""
    words = command(config)
    os.execve(words[0], words, environment(config))


if __name__ == "__main__":
    private()
    with one_line("lake"):
        if sys.argv[1:] == ["prepare"]:
            prepare(this_process())
        else:
            serve(this_process())
