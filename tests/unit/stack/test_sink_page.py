"""How the sink's page shows what it was sent, trusted or not."""

import re

import pytest

from foundation.settings import ROOT
from stack.sink_page import EMOJI, KINDS, cleaned, mrkdwn


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a &lt; b &amp; c", "a &lt; b &amp; c"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("*bold* and 2*3*4", "<b>bold</b> and 2*3*4"),
        ("12:30:15 UTC :white_check_mark:", "12:30:15 UTC ✅"),
        ("<javascript:x|y>", "&lt;javascript:x|y&gt;"),
        (
            'http://x/"onclick="y',
            '<a href="http://x/&quot;onclick=&quot;y" target=_blank rel="noopener noreferrer">',
        ),
    ],
)
def test_slacks_text_becomes_html_and_nothing_else_does(text, shown):
    assert mrkdwn(text).startswith(shown)


@pytest.mark.parametrize(
    ("mail", "shown"),
    [
        ("<b>open", "<b>open</b>"),
        ("<table><tr><td>a</table>b", "<table><tr><td>a</td></tr></table>b"),
        ("</div>a</script>b", "ab"),
        ("<img src=x onerror=y><iframe src=z></iframe>a", "a"),
        ("<style>p{}</style>1 &lt; 2", "1 &lt; 2"),
        ("<a href=' javascript:x'>y</a>", "<a>y</a>"),
    ],
)
def test_of_an_emails_html_only_plain_formatting_is_kept(mail, shown):
    assert cleaned(mail) == shown


def test_every_icon_of_a_message_has_a_picture_and_a_kind():
    used = set()
    for name in ("notices", "digest"):
        source = ROOT / "data-orchestration" / "orchestration" / f"{name}.py"
        used |= set(re.findall(r'":(\w+):"', source.read_text()))
    assert len(used) >= 7
    assert used <= set(EMOJI) and used <= {icon for icons in KINDS.values() for icon in icons}
