"""Airflow's API server within our limits on connections and headers: `python -m stack.airflow_api_server api-server …`.

The parser that uvicorn would choose takes a header of any size, and waits for its end for ever.
"""

from __future__ import annotations

from uvicorn.config import HTTP_PROTOCOLS

# Airflow does not say which parser it wants. Here, not in a function: uvicorn's further workers import this module, too
HTTP_PROTOCOLS["auto"] = "foundation.limits.http:Protocol"

if __name__ == "__main__":
    from airflow.__main__ import main

    main()
