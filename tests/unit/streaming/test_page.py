"""The embedded page's tokens: who gets one, and for which rows."""

from __future__ import annotations

import jwt
import pytest
from starlette.testclient import TestClient

from foundation.settings import load_settings
from streaming.page import embedded
from streaming.page.tokens import SECONDS, Tokens
from streaming.page.viewers import viewers

SECRET = "a test's, and long enough to sign with it"  # pragma: allowlist secret


@pytest.fixture
def config(tmp_path):
    return load_settings(
        {
            "ELT_HOME": str(tmp_path),
            "STREAM_VIEWERS": "germany:8,france:7,boss:all",
            "STREAM_VIEWER_SECRET": "a test's secret",
            "SUPERSET_GUEST_SECRET": SECRET,
        }
    )


def claims(answer):
    return jwt.decode(answer.json()["token"], SECRET, algorithms=["HS256"], audience=embedded.AUDIENCE)


@pytest.mark.threat("a user who does more than the role says")
def test_a_viewer_gets_a_token_for_his_territory_on_one_board_for_five_minutes(config):
    client, known = TestClient(Tokens(config).app), viewers(config)
    found = claims(client.post("/token", auth=("germany", known["germany"].password)))
    assert found["rls_rules"] == [{"clause": "territory_id = 8"}]
    assert found["resources"] == [{"type": "dashboard", "id": embedded.UUID}]
    assert found["exp"] - found["iat"] == SECONDS and found["type"] == "guest"
    assert claims(client.post("/token", auth=("boss", known["boss"].password)))["rls_rules"] == []


@pytest.mark.threat("guesses of a password")
def test_who_has_no_password_gets_none_and_a_guesser_waits(config):
    client, known = TestClient(Tokens(config).app), viewers(config)
    assert client.post("/token").status_code == 403
    assert client.post("/token", auth=("germany", known["france"].password)).status_code == 403
    assert client.post("/token", auth=("nobody", "")).status_code == 403
    tries = [client.post("/token", auth=("boss", f"guess {number}")).status_code for number in range(8)]
    assert tries[0] == 403 and tries[-1] == 429
    assert client.post("/token", auth=("boss", known["boss"].password)).status_code == 200


def test_each_secret_makes_other_passwords_and_none_is_shown(config, tmp_path):
    changed = load_settings(
        {"ELT_HOME": str(tmp_path), "STREAM_VIEWERS": "germany:8", "STREAM_VIEWER_SECRET": "another"}
    )
    known = viewers(config)
    assert viewers(changed)["germany"].password not in {each.password for each in known.values()}
    assert len({each.password for each in known.values()}) == 3
    assert known["germany"].password not in repr(known)
