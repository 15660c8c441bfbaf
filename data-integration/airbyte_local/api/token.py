"""`applications/token` and `health`: what answers without a token."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from airbyte_local.api.common import TokensOf
from airbyte_local.api.problems import Problem, invalid
from airbyte_local.vault import TOKEN_SECONDS

health = APIRouter(tags=["health"])
token = APIRouter(tags=["applications"])


@health.get("/health", summary="Health check", response_class=PlainTextResponse)
def get_health() -> str:
    return "Successful operation"


@token.post("/applications/token", summary="An access token for client id and secret (form or JSON)")
@token.post("/v1/applications/token", include_in_schema=False)  # the Airflow hook's default, below its host
async def create_token(request: Request, tokens: TokensOf) -> dict[str, str | int]:
    body = await _body(request)
    for field in ("client_id", "client_secret"):
        if not isinstance(body.get(field), str):
            raise invalid(field, "is required")
    if body.get("grant_type", body.get("grant-type", "client_credentials")) != "client_credentials":
        raise invalid("grant_type", "must be client_credentials")
    if not tokens.knows(body["client_id"], body["client_secret"]):
        raise Problem(401, "client id or client secret is wrong")
    return {"access_token": tokens.issue(), "token_type": "bearer", "expires_in": TOKEN_SECONDS}


async def _body(request: Request) -> dict[str, str]:
    """The fields of a form or JSON body. Raises 400 when it is neither."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            body = await request.json()
        except ValueError:
            raise Problem(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise Problem(400, "the body is not a JSON object")
        return body
    return {
        name: values[-1] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()
    }
