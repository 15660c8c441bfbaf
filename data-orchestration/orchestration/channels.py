"""Where messages go: Slack by `slack_default`, urgent ones by e-mail, too, by `smtp_default`. Both connections are the deployment's.

Each has a time limit and never raises: an outage costs a run a few seconds, and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from foundation.settings import settings
from orchestration.messages import Message, scrub

SLACK, SMTP = "slack_default", "smtp_default"
LIMIT = 5.0  # seconds that a message may take, all in all

log = logging.getLogger(__name__)


def send(message: Message) -> bool:
    """Send by all channels at once. True when Slack took it; False, and a line in the log, when not. Never raises."""
    ways: dict[str, Callable[[Message], None]] = {"Slack": _slack}
    if message.urgent and settings().alert_email_to:
        ways["e-mail"] = _email
    outcomes: dict[str, str] = {}  # "": taken; else why not

    def attempt(name: str) -> None:
        try:
            ways[name](message)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a channel, the run goes on
            outcomes[name] = scrub(f"{type(error).__name__}: {error}")
        else:
            outcomes[name] = ""

    # threads, because no timeout of a client bounds name resolution or a server that drips its answer
    threads = [threading.Thread(target=attempt, args=[name], name="notice", daemon=True) for name in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    for name in ways:
        if problem := outcomes.get(name, f"no answer within {LIMIT:g} s"):
            log.warning("notice not delivered by %s (%s): %s", name, problem, message.subject())
    return outcomes.get("Slack") == ""


def _slack(message: Message) -> None:
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    # no retry handlers: the default ones repeat the call on a broken connection
    hook = SlackWebhookHook(slack_webhook_conn_id=SLACK, timeout=int(LIMIT), retry_handlers=[])
    text = message.slack()
    hook.send(text=text, blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": text}}])


def _email(message: Message) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=SMTP) as hook:
        recipients = [address.strip() for address in settings().alert_email_to.split(",")]
        hook.send_email_smtp(to=recipients, subject=message.subject(), html_content=message.html())
