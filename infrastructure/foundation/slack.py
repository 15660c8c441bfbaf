"""Slack's webhook, for programs that are not Airflow's."""

from __future__ import annotations

import json

from foundation.errors import EltError
from foundation.settings import Settings

HOST = "https://hooks.slack.com/services"
FORM = f'{{"conn_type": "slackwebhook", "host": "{HOST}", "password": "T…/B…/…"}}'  # pragma: allowlist secret


def webhook(config: Settings) -> str:
    """The address that Airflow's messages go to, too, by its connection `slack_default`; on one machine the recorder's. It is a secret.

    Raises EltError: AIRFLOW_CONN_SLACK_DEFAULT is no JSON with its password.
    """
    given = config.variable("AIRFLOW_CONN_SLACK_DEFAULT")
    if not given:
        return f"{config.slack_webhook_host}/{config.slack_webhook_token.get_secret_value()}"
    try:
        fields = json.loads(given)
        host, token = fields.get("host") or HOST, fields["password"]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise EltError(
            "AIRFLOW_CONN_SLACK_DEFAULT is not JSON with a password",
            f"write {FORM}",
        ) from None
    return f"{host.rstrip('/')}/{str(token).lstrip('/')}"
