"""Hooks of mkdocs: the data dictionary, and links that lead out of docs/ into the repository.

`dictionary()` makes the data dictionary with each build of the site; no copy is committed. The links are right where the files
are read (a test checks that). On the site they lead to the repository that GitHub's variables name; without these they
become plain text.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import Any

from mkdocs.structure.files import File, Files

from elt.pages import dictionary

LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\((\.\./[^)\s]+)\)")


def leading_out(markdown: str, page: str, repository: str) -> str:
    """The page's text with those links rewritten; `page` is its path under docs/."""

    def rewritten(found: re.Match[str]) -> str:
        label, link = found.groups()
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
        if path.startswith("docs/"):
            return found[0]
        return f"[{label}]({repository}/blob/main/{path})" if repository else label

    return LINK.sub(rewritten, markdown)


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Called by mkdocs with the files of docs/."""
    files.append(File.generated(config, "data-dictionary.md", content=dictionary()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs for each page."""
    server, name = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
    return leading_out(markdown, page.file.src_uri, f"{server}/{name}" if server and name else "")
