"""A hook of mkdocs: links that lead out of docs/ into the repository.

They are right where the files are read (a test holds that); on the site they lead to the repository that GitHub's variables
name, and are plain text where there are none.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\((\.\./[^)\s]+)\)")


def leading_out(markdown: str, page: str, repository: str) -> str:
    """The page's text with those links rewritten; `page` is its path under docs/."""

    def rewritten(found: re.Match[str]) -> str:
        label, link = found.groups()
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
        if path.startswith("docs/"):
            return found[0]
        return f"[{label}]({repository}/blob/main/{path})" if repository else label

    return LINK.sub(rewritten, markdown)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs for each page."""
    server, name = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
    return leading_out(markdown, page.file.src_uri, f"{server}/{name}" if server and name else "")
