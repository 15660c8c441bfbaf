"""`python -m streaming.page.nginx`: nginx in the foreground, with the page, the token endpoint and what Superset serves of it on one port.

To a browser all is one origin, so that Superset goes on to forbid every frame but its own origin's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from foundation.errors import EltError, one_line
from foundation.private import private
from foundation.settings import ROOT, Settings, settings
from streaming.environment import STREAM

PROJECT = ROOT / "infrastructure" / "stream" / "page"
SDK = STREAM.folder / "page" / "node_modules" / "@superset-ui" / "embedded-sdk" / "bundle" / "index.js"
HEADERS = """
add_header Content-Security-Policy "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self';\
 base-uri 'none'; form-action 'none'; frame-ancestors 'none'" always;
add_header X-Content-Type-Options nosniff always;
add_header Referrer-Policy same-origin always;
add_header Cache-Control no-cache always;
"""


def program() -> str | None:
    """nginx, which Debian puts where only root looks."""
    return shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


def missing() -> str:
    """What this machine lacks for the page, with the remedy; empty: nothing."""
    if program() is None:
        return "the embedded page is not started: it needs nginx (Debian: nginx-light)"
    if not installed() and shutil.which("npm") is None:
        return "the embedded page is not started: it needs npm once, to install Superset's SDK (Debian: npm)"
    return ""


def installed() -> bool:
    """Whether Superset's SDK is there, as the lock says."""
    lock = SDK.parents[4] / "package-lock.json"
    return SDK.exists() and lock.read_bytes() == (PROJECT / "package-lock.json").read_bytes()


def install() -> None:
    """Install Superset's SDK. Raises EltError with npm's reason."""
    if installed():
        return
    folder = SDK.parents[4]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROJECT / name, folder)
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            said = " ".join(done.stderr.split())[:300]
            raise EltError(f"Superset's SDK can't be installed: {said}", "check that npm's registry answers")


def configuration(config: Settings, folder: Path) -> str:
    """nginx's configuration; its own files are in `folder`."""
    filled = {
        "HOME": folder,
        "USER": "user root;" if os.geteuid() == 0 else "",  # its worker, too, is who started it
        "LISTEN": f"{config.listen_host}:{config.stream_page_port}",
        "PAGE": PROJECT,
        "SDK": SDK,
        "TOKENS": f"http://127.0.0.1:{config.stream_token_port}",
        "SUPERSET": config.superset_url,
    }
    text = (PROJECT / "nginx.conf").read_text()
    for name, value in filled.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def main() -> None:
    """Become nginx."""
    private()
    with one_line("page"):
        config = settings()
        nginx = program()
        if nginx is None:
            raise EltError("there is no nginx on this machine", "install it (Debian: nginx-light)")
        folder = config.home / "stream" / "page"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "headers").write_text(HEADERS)
        (folder / "nginx.conf").write_text(configuration(config, folder))
    os.execv(nginx, [nginx, "-e", "stderr", "-c", str(folder / "nginx.conf")])


if __name__ == "__main__":
    main()
