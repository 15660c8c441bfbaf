"""An API that answers what was recorded: for `elt connectors test`, on this machine alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from threading import Lock, Thread
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foundation.errors import EltError

SERVER = "server"  # `${server}` in the file: the address of the playing server


class Answer(BaseModel):
    """One answer, and the calls that get it: `query` has to be part of the call's, `times` says how often (0: always)."""

    model_config = ConfigDict(extra="forbid")

    path: str
    query: dict[str, str] = {}
    times: Annotated[int, Field(ge=0)] = 0
    status: Annotated[int, Field(ge=100, le=599)] = 200
    headers: dict[str, str] = {}
    body: Any = None


class Recording(BaseModel):
    """A configuration, and the answers of the API that it reads."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any]
    answers: list[Answer] = Field(min_length=1)


def read(path: Path, address: str) -> Recording:
    """The recording of a file for a server at an address. Raises EltError with file and field."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Recording.model_validate(_filled(content, address))
    except FileNotFoundError:
        raise EltError(
            f"{path} is missing", "record some of the API's answers there, or give --config"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EltError(f"{path}: {' '.join(str(error).split())}", "correct it") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise EltError(
            f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            "see data-integration/connectors/README.md",
        ) from None


def _filled(node: Any, address: str) -> Any:
    """The same with `${server}` replaced in every text."""
    if isinstance(node, dict):
        return {name: _filled(child, address) for name, child in node.items()}
    if isinstance(node, list):
        return [_filled(child, address) for child in node]
    return Template(node).safe_substitute({SERVER: address}) if isinstance(node, str) else node


class Player:
    """Which answer a call gets, and which calls had none."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.unanswered: list[str] = []
        self._given: dict[int, int] = {}
        self._lock = Lock()

    def answer(self, target: str) -> Answer:
        """For a call's path and query; 404 where nothing was recorded."""
        url = urlsplit(target)
        asked = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        with self._lock:
            for index, one in enumerate(self.answers):
                if (
                    one.path == url.path
                    and one.query.items() <= asked.items()
                    and not (one.times and self._given.get(index, 0) >= one.times)
                ):
                    self._given[index] = self._given.get(index, 0) + 1
                    return one
            self.unanswered.append(target)
        return Answer(path=url.path, status=404, body={"error": "nothing was recorded for this call"})


@contextmanager
def playing() -> Iterator[tuple[Player, str]]:
    """A player that serves, without answers at first, and its address."""
    player = Player()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = player.answer(self.path)
            body = json.dumps(given.body).encode()
            self.send_response(given.status)
            for name, value in {"Content-Type": "application/json", **given.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Nothing to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield player, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
