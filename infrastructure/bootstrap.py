"""Make the environment `.venv` from nothing but Python: `python3 infrastructure/bootstrap.py [COMMAND…]`.

Finds `uv`, or fetches the one that `uv.lock` pins (its digest is checked), syncs `.venv` with the lock and then becomes
COMMAND, looked up in `.venv/bin`. Standard library only: it runs before anything is installed.
"""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = {  # (system, machine) → the platform part of uv's wheel names, best first
    ("Linux", "x86_64"): ("manylinux_2_17_x86_64", "musllinux_1_1_x86_64"),
    ("Linux", "aarch64"): ("manylinux_2_28_aarch64", "musllinux_1_1_aarch64"),
    ("Darwin", "x86_64"): ("macosx_10_12_x86_64",),
    ("Darwin", "arm64"): ("macosx_11_0_arm64",),
}
# Telemetry of every tool is off, whatever a tool's own default; see also the settings of dbt, Airflow and Cosmos.
QUIET = {"DO_NOT_TRACK": "1", "SCARF_ANALYTICS": "false", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def fail(message: str) -> None:
    """End with one line and exit code 2, as every user error here."""
    print(f"bootstrap: {message}", file=sys.stderr)
    raise SystemExit(2)


def pinned_wheel() -> tuple[str, str]:
    """Address and SHA-256 of the `uv` wheel for this machine, as `uv.lock` pins it."""
    import tomllib  # here, after the version check: Python 3.11 brought it

    machine = (platform.system(), platform.machine())
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    wheels = next(package["wheels"] for package in lock["package"] if package["name"] == "uv")
    musl = platform.system() == "Linux" and platform.libc_ver()[0] != "glibc"
    for tag in sorted(PLATFORMS.get(machine, ()), key=lambda tag: ("musl" in tag) != musl):
        for wheel in wheels:
            if tag in wheel["url"]:
                return wheel["url"], wheel["hash"].removeprefix("sha256:")
    fail(f"no uv for {machine[0]} on {machine[1]} in uv.lock — install uv by hand and try again")
    raise AssertionError


def fetch_uv(target: Path) -> None:
    """Put the pinned `uv` at `target`; the file appears whole or not at all."""
    url, digest = pinned_wheel()
    print(f"fetching {url.rpartition('/')[2]} …", flush=True)
    try:
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - the lock's https address
            wheel = response.read()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        fail(
            f"uv could not be fetched ({reason}) — check the network, or install uv (for one: python3 -m pip install uv)"
        )
    if hashlib.sha256(wheel).hexdigest() != digest:
        fail("the fetched uv does not match the digest in uv.lock — try again, or install uv by hand")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        binary = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"uv.{os.getpid()}")
        draft.write_bytes(archive.read(binary))
    draft.chmod(0o755)
    draft.replace(target)


def main(command: list[str]) -> None:
    """Sync `.venv`, then replace this process by `command`."""
    if sys.version_info < (3, 11):
        version = platform.python_version()
        fail(f"Python {version} is too old — install 3.11 or newer, then: make PYTHON=/path/to/python3 …")
    environ = (
        os.environ
        | QUIET
        | {
            "UV_SYSTEM_CERTS": "1",
            "UV_PROJECT_ENVIRONMENT": str(ROOT / ".venv"),
        }
    )
    environ.pop("VIRTUAL_ENV", None)  # an activated environment of the caller's is not ours
    if not environ.get("HOME"):
        environ["HOME"] = str(ROOT / ".local" / "home")
        Path(environ["HOME"]).mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv", path=environ.get("PATH"))
    if uv is None or subprocess.run([uv, "--version"], capture_output=True).returncode:
        uv = str(ROOT / ".uv" / "uv")
        if not Path(uv).exists():
            fetch_uv(Path(uv))
    chatter = [] if sys.stderr.isatty() else ["--no-progress"]
    # bytecode now, once: where PYTHONDONTWRITEBYTECODE is set, each process of Airflow would else compile it for 7 s
    sync = [uv, "sync", "--locked", "--quiet", "--compile-bytecode", *chatter]
    # with this Python and no other; Superset's environment, which needs an older one, may fetch it (stack/superset.py)
    sync += ["--no-python-downloads", "--python", sys.executable]
    if not (ROOT / ".venv" / "bin" / "elt").exists():
        print("making the environment .venv (about a gigabyte, once) …", flush=True)
    if code := subprocess.run(sync, cwd=ROOT, env=environ).returncode:
        fail(f"uv sync failed with exit code {code}: see its message above")
    if command:
        program = ROOT / ".venv" / "bin" / command[0]
        if not program.exists():
            fail(f"no command {command[0]} in .venv/bin")
        os.execve(program, [str(program), *command[1:]], environ)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit(130) from None
