"""The HTTP server: Snowflake's wire protocol, over databases in memory or in a directory."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import duckdb
import fakesnow.server as server  # not "from fakesnow", where a function has this name
from fakesnow import arrow, fakes, info_schema, macros, rowtype, transforms
from fakesnow.instance import GLOBAL_DATABASE_NAME, FakeSnow
from fakesnow.transforms import show, stage
from sqlglot import exp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.snowflake import catalog, results, session, translation

answers: dict[str, asyncio.Task[Response]] = {}


async def query(request: Request) -> Response:
    """The connector sends a request again after a minute without an answer: that must not run the statement again."""
    key = request.query_params.get("requestId", str(uuid.uuid4()))
    if key not in answers:
        answers[key] = task = asyncio.create_task(run(request))
        forget = asyncio.get_running_loop().call_later
        task.add_done_callback(lambda _: forget(120, answers.pop, key, None))
    return await asyncio.shield(answers[key])


async def run(request: Request) -> Response:
    """fakesnow's handler, without its HTTP 500s."""
    try:
        session.STATEMENT_TAG.set(await statement_tag(request))
        response = await server.query_request(request)
        if response.status_code < 500:
            return response
        message = json.loads(response.body)["message"]
    except Exception as error:  # noqa: BLE001 - whatever it is, the connector would try again for ever
        server.logger.exception("unhandled")
        message = f"{type(error).__name__}: {error}"
    data = {"errorCode": "100183", "sqlState": "P0000"}
    return JSONResponse({"data": data, "code": "100183", "message": message, "success": False})


async def statement_tag(request: Request) -> str | None:
    """The query tag among a statement's own parameters."""
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return (json.loads(body).get("parameters") or {}).get("QUERY_TAG")


async def login(request: Request) -> Response:
    """Without a master token the connector does not end its session: transactions and temporary tables would stay."""
    response = await server.login_request(request)
    body = json.loads(response.body)
    body["data"]["masterToken"] = body["data"]["token"]
    return JSONResponse(body)


async def health(_: Request) -> Response:
    """Is it up?"""
    return JSONResponse({"status": "ok"})


async def statements(_: Request) -> Response:
    """The statements of all sessions since the start."""
    return JSONResponse(session.STATEMENTS)


def install() -> None:
    """Put the repairs where fakesnow looks for the originals."""
    fakes.FakeSnowflakeConnection = session.Connection
    server.sessions = session.Sessions()
    server.to_sf = results.to_sf
    arrow.timestamp_to_sf_struct = results.timestamps
    rowtype.duckdb_to_sf_type = results.Types(rowtype.duckdb_to_sf_type)
    info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW = catalog.COLUMNS_VIEW
    info_schema.per_db_creation_sql = catalog.database_sql
    info_schema.insert_table_comment_sql = catalog.comment_sql
    macros.creation_sql = catalog.macro_sql
    transforms.flatten = translation.flatten
    transforms.information_schema_fs = translation.information_schema
    transforms.numeric_agg_implicit_cast = translation.numeric_agg
    transforms.show_tables_etc = translation.show_objects
    transforms.to_timestamp = translation.to_timestamp
    transforms.trim_cast_varchar = translation.trim
    # fakesnow sends each statement through some 70 transforms. Copying the tree for each is 3/4 of its time.
    exp.Expression.transform.__kwdefaults__["copy"] = False
    logging.getLogger("sqlglot").setLevel(
        logging.ERROR
    )  # "contains unsupported syntax", for many a statement


def attach_directory(duck: duckdb.DuckDBPyConnection, directory: Path) -> None:
    """Open every database of a directory. fakesnow opens one when a session first names it, and forgets the rest."""
    duck.execute("SET GLOBAL storage_compatibility_version = 'v1.4.0'")  # the first with typed macros
    duck.execute(f"DETACH {GLOBAL_DATABASE_NAME}")  # stages and comments, which fakesnow keeps in memory
    duck.execute(f"ATTACH '{directory / '_global.duckdb'}' AS {GLOBAL_DATABASE_NAME}")
    duck.execute(info_schema.fs_global_creation_sql())
    duck.execute(show.fs_global_creation_sql())
    for file in sorted(directory.glob("*.db")):
        duck.execute(f"ATTACH '{file}' AS {file.stem}")
        duck.execute(info_schema.per_db_creation_sql(file.stem))
        duck.execute(macros.creation_sql(file.stem))
    shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)
    stage.LOCAL_BUCKET_PATH = str(directory / "stages")


def start(db_path: str | Path | None = None) -> Starlette:
    """The application, over databases in memory or over the *.db files of a directory. Once in a process."""
    install()
    directory = Path(db_path).resolve() if db_path else None
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
    fs = server.shared_fs = FakeSnow(db_path=directory)
    fs.results_cache = results.ResultsCache()
    fs.duck_conn.execute(macros.creation_sql("memory"))  # for sessions without a database
    if directory:
        attach_directory(fs.duck_conn, directory)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for token in list(server.sessions):
            with suppress(Exception):
                del server.sessions[token]
        files = "SELECT database_name FROM duckdb_databases() WHERE path IS NOT NULL"
        for (database,) in fs.duck_conn.execute(files).fetchall():
            fs.duck_conn.execute(f"CHECKPOINT {database}")
        fs.duck_conn.close()
        if not directory:
            shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)

    return Starlette(
        routes=[
            Route("/queries/v1/query-request", query, methods=["POST"]),
            Route("/session/v1/login-request", login, methods=["POST"]),
            Route("/health", health),
            Route("/statements", statements),
            *server.routes,
        ],
        lifespan=lifespan,
    )
