"""The page of the sink: its messages as people see them in Slack and in their mail, newest first, with filters.

No message is trusted: text is escaped, of an e-mail's HTML only plain formatting is kept, and links go to http
and https alone. No script runs on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any

SHOWN = 200  # messages of a page
EMOJI = {
    "arrow_forward": "▶️",
    "bar_chart": "📊",
    "hourglass": "⌛",
    "large_green_circle": "🟢",
    "rotating_light": "🚨",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "x": "❌",
}
# what a message of Slack begins with, by what the filter calls it; an e-mail is always a problem or its end
KINDS = {
    "problems": ("x", "hourglass", "rotating_light", "warning"),
    "recoveries": ("large_green_circle",),
    "runs": ("arrow_forward", "white_check_mark"),
    "digests": ("bar_chart",),
}
CHANNELS = {"slack": "Slack", "email": "e-mail"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

# Slack's mrkdwn, as far as our messages use it: links, code, bold, emoji
MRKDWN = re.compile(
    r"<(?P<link>https?://[^|>\s]+)(?:\|(?P<label>[^>]*))?>"
    r"|(?P<bare>https?://[^\s<>|]+)"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?<![\w*])\*(?P<bold>[^*\n]+)\*"
    r"|:(?P<emoji>[a-z0-9_+-]+):"
)
KEPT_TAGS = frozenset(
    (
        "a",
        "b",
        "i",
        "em",
        "strong",
        "p",
        "br",
        "table",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "ol",
        "li",
        "pre",
        "code",
        "h1",
        "h2",
        "h3",
    )
)
VOID_TAGS = frozenset({"br"})
UNSEEN = frozenset({"script", "style", "title", "head"})  # whose content is not shown either


def page(messages: Iterable[dict[str, Any]], channel: str = "", kind: str = "", words: str = "") -> str:
    """The HTML page of messages (oldest first, as the sink keeps them), of those that fit the filters."""
    fitting = [message for message in messages if fits(message, channel, kind, words)]
    shown = "".join(map(_article, reversed(fitting[-SHOWN:])))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Messages</title><style>{STYLE}</style>"
        f"<h1>Messages</h1>{_form(channel, kind, words)}"
        f"{shown or '<p>None.</p>'}</html>"
    )


def fits(message: dict[str, Any], channel: str, kind: str, words: str) -> bool:
    """Whether a message is of that channel and kind (empty: any), and says these words."""
    if channel and message.get("channel") != channel:
        return False
    said = f"{message.get('subject') or ''}\n{message.get('text') or ''}"
    if words and words.lower() not in said.lower():
        return False
    return not kind or any(said.lstrip().startswith(f":{icon}:") for icon in KINDS.get(kind, ()))


def mrkdwn(text: str) -> str:
    """Slack's text as HTML."""
    done, at = [], 0
    for found in MRKDWN.finditer(text):
        done.append(_plain(text[at : found.start()]))
        at = found.end()
        groups = found.groupdict()
        if target := groups["link"] or groups["bare"]:
            done.append(_link(unescape(target), _plain(groups["label"] or target)))
        elif groups["code"]:
            done.append(f"<code>{_plain(groups['code'])}</code>")
        elif groups["bold"]:
            done.append(f"<b>{_plain(groups['bold'])}</b>")
        else:
            done.append(EMOJI.get(groups["emoji"], escape(found[0])))
    return "".join([*done, _plain(text[at:])])


def _plain(text: str) -> str:
    """Slack escapes three characters; a message that does not is shown as it is."""
    for escaped, char in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(escaped, char)
    return escape(text)


def _link(target: str, label: str) -> str:
    return f'<a href="{escape(target)}" target=_blank rel="noopener noreferrer">{label}</a>'


class _Cleaner(HTMLParser):
    """Writes an e-mail's HTML again, of which only plain formatting is left."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.done: list[str] = []
        self._open: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in UNSEEN
        if tag not in KEPT_TAGS:
            return
        target = dict(attrs).get("href") or ""
        if tag == "a" and re.match(r"https?://", target):
            self.done.append(f'<a href="{escape(target)}" target=_blank rel="noopener noreferrer">')
        else:
            self.done.append(f"<{tag}>")
        if tag not in VOID_TAGS:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in UNSEEN and self._unseen > 0
        if tag in self._open:  # also what was left open within it
            while (last := self._open.pop()) != tag:
                self.done.append(f"</{last}>")
            self.done.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.done.append(escape(data))

    def closed(self) -> str:
        return "".join([*self.done, *(f"</{tag}>" for tag in reversed(self._open))])


def cleaned(mail: str) -> str:
    """The HTML of an e-mail, harmless."""
    cleaner = _Cleaner()
    cleaner.feed(mail)
    cleaner.close()
    return cleaner.closed()


def _article(message: dict[str, Any]) -> str:
    text = str(message.get("text") or "")
    if message.get("channel") == "email":
        body = cleaned(str(message["html"])) if message.get("html") else f"<pre>{escape(text)}</pre>"
        recipients = ", ".join(map(str, message.get("recipients") or []))
        head = f"<b>{escape(str(message.get('subject') or ''))}</b> <small>to {escape(recipients)}</small>"
    else:
        head, body = "", f"<div class=slack>{mrkdwn(text)}</div>"
    channel = str(message.get("channel") or "")
    moment = escape(str(message.get("time") or ""))
    return (
        f"<article><header><small><time>{moment}</time> · {escape(CHANNELS.get(channel, channel))}</small> {head}"
        f"</header>{body}</article>"
    )


def _form(channel: str, kind: str, words: str) -> str:
    def choice(name: str, chosen: str, options: dict[str, str]) -> str:
        listed = "".join(
            f"<option value='{value}'{' selected' if value == chosen else ''}>{label}</option>"
            for value, label in options.items()
        )
        return f"<select name={name} aria-label={name}>{listed}</select> "

    return (
        "<form>"
        + choice("channel", channel, {"": "all channels", **CHANNELS})
        + choice("kind", kind, {"": "all kinds", **{name: name for name in KINDS}})
        + f"<input name=words value='{escape(words)}' placeholder='with these words' aria-label=words> "
        + "<button>Show</button> <a href='?'>all</a></form>"
    )


STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1d1c1d;background:#f8f8f8}
article{background:#fff;border:1px solid #ddd;border-radius:6px;padding:.7rem 1rem;margin:.7rem 0;overflow-wrap:anywhere}
header{margin-bottom:.3rem}small{color:#616061}.slack,pre{white-space:pre-wrap;margin:0;font-family:inherit}
code{background:#f4f4f4;border:1px solid #e0e0e0;border-radius:3px;padding:0 .25em;color:#c01343}
th{text-align:left;vertical-align:top;padding-right:1em;font-weight:600}td{vertical-align:top}
form{margin:1rem 0}select,input,button{font:inherit;padding:.2em .4em}a{color:#1264a3}
"""
