"""`python -m tests.snowflake --port N [--db-path DIR]`; SIGTERM ends it cleanly."""

from __future__ import annotations

import argparse

import fakesnow.server as fakesnow_server
import uvicorn

from tests.snowflake.server import start


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.snowflake", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8084)
    parser.add_argument("--db-path", help="directory for the databases (default: in memory)")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    args = parser.parse_args()
    app = start(args.db_path)
    fakesnow_server.logger.setLevel(args.log_level.upper())
    uvicorn.run(app, host=args.host, port=args.port, log_level=args.log_level)


if __name__ == "__main__":
    main()
