"""One form for all messages, as Slack and as e-mail show it; what they must not say is taken out here."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_REASON = 600  # characters: what a telephone shows
LONGEST_SECTION = 3_000  # characters of a Slack block of type section
NAMED = 10  # failing tests that a message names


@dataclass(frozen=True)
class Message:
    """A headline in Slack's mrkdwn (`*bold*`, `code`), and named facts below it, whose values are plain text."""

    icon: str
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    urgent: bool = False  # goes out by e-mail, too
    environment: str = ""

    def slack(self) -> str:
        """The text of a message and of its one section."""
        lines = [f"{self.icon} {self.headline}" + (f" · {self.environment}" if self.environment else "")]
        lines += [f"*{name}:* {_escaped(value)}" for name, value in self.facts]
        text = "\n".join(lines)
        return text if len(text) <= LONGEST_SECTION else text[: LONGEST_SECTION - 1] + "…"

    def subject(self) -> str:
        """The headline of an e-mail."""
        place = f"[{self.environment}] " if self.environment else ""
        return place + re.sub(r"[*`]", "", self.headline)

    def html(self) -> str:
        """The body of an e-mail."""
        rows = "".join(
            f"<tr><th align=left valign=top>{html.escape(name)}</th><td>{_linked(value)}</td></tr>"
            for name, value in self.facts
        )
        return f"<p><b>{html.escape(self.subject())}</b></p><table cellpadding=4>{rows}</table>"


def _escaped(text: str) -> str:
    """Slack's three control characters: https://api.slack.com/reference/surfaces/formatting#escaping"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _linked(text: str) -> str:
    escaped = html.escape(text).replace("\n", "<br>")
    return re.sub(r"(https?://\S+)", r'<a href="\1">\1</a>', escaped)


def reason(exception: BaseException | str | None) -> str:
    """The first lines that say something, without secrets, in a length that can be read on a telephone."""
    if exception is None:
        return "the task's process ended without a word (stopped, killed, or out of memory)"
    if isinstance(exception, str):
        lines = exception.splitlines()
    else:
        lines = str(exception).splitlines() or [type(exception).__name__]
    useful = [line.strip() for line in lines if line.strip(" :-\t")]
    return scrub(" — ".join(useful[:3]) or "no reason was given")[:LONGEST_REASON]


def scrub(text: str) -> str:
    """Text without passwords: those in URLs, those named so, and those that Airflow knows (its secrets masker)."""
    from airflow.sdk.log import redact

    text = re.sub(r"(\w+://)[^/\s@:]+:[^/\s@]+@", r"\1***@", text)
    text = re.sub(
        r"(?i)(password|passwd|secret|token|api_?key)(['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&]+", r"\1\2***", text
    )
    text = re.sub(r"(/services/)T\w+/B\w+/\w+", r"\1***", text)
    return str(redact(text))


def failing_tests(tests: list[tuple[str, str, int | None]], keys: dict[str, str]) -> str:
    """Name, status, failing rows and, where they are known, the keys of these rows, as lines."""
    lines = [
        f"• {name}: {status if rows is None else counted(rows, 'row')}"
        + (f" ({keys[name]})" if name in keys else "")
        for name, status, rows in tests[:NAMED]
    ]
    if len(tests) > NAMED:
        lines.append(f"and {len(tests) - NAMED} more")
    return "\n".join(["", *lines])


def counted(number: int, noun: str) -> str:
    """`1 row`, `1,200 rows`"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def since(moment: datetime | None) -> str:
    """How long ago: `12 s`, `3 min 4 s`."""
    return "no time" if moment is None else duration((datetime.now(UTC) - moment).total_seconds())


def duration(seconds: float) -> str:
    seconds = int(seconds)
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
