"""`applications/token` and `health`: what answers without a token."""

from __future__ import annotations

import math
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from airbyte_local.api.common import BrakeOf, TokensOf
from airbyte_local.api.problems import Problem, invalid
from airbyte_local.vault import TOKEN_SECONDS

FORM_FIELDS = 32

health = APIRouter(tags=["health"])
token = APIRouter(tags=["applications"])


@health.get("/health", summary="Health check", response_class=PlainTextResponse)
async def get_health() -> str:
    return "Successful operation"


@token.post("/applications/token", summary="An access token for client id and secret (form or JSON)")
@token.post("/v1/applications/token", include_in_schema=False)  # the Airflow hook's default, below its host
async def create_token(request: Request, tokens: TokensOf, brake: BrakeOf) -> dict[str, str | int]:
    body = await _body(request)
    for field in ("client_id", "client_secret"):
        if not isinstance(body.get(field), str):
            raise invalid(field, "is required")
    if body.get("grant_type", body.get("grant-type", "client_credentials")) != "client_credentials":
        raise invalid("grant_type", "must be client_credentials")
    who = (request.client.host if request.client else "", body["client_id"])
    seconds, right = math.ceil(brake.wait(*who)), tokens.knows(body["client_id"], body["client_secret"])
    if seconds and not (right and tokens.unguessable):
        raise Problem(429, f"too many wrong secrets: try again in {seconds} s", retryAfter=seconds)
    brake.tried(*who, right=right)
    if not right:
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
    text = (await request.body()).decode(errors="replace")
    try:
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=FORM_FIELDS).items()}
    except ValueError:
        raise Problem(400, f"the form has more than {FORM_FIELDS} fields") from None
