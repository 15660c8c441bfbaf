"""What git says about this clone: the base of a change, and the files that it touches."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.errors import EltError
from foundation.settings import ROOT


def git(*words: str) -> str:
    """What git prints; raises EltError with its first line when it refuses."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or "git failed").splitlines()[0]
        raise EltError(f"git {words[0]}: {reason}", "run this in a clone that has the base's history")
    return done.stdout


def merge_base(ref: str) -> str:
    """The commit from which this branch left `ref`: what main has got since is not this change."""
    words = ["git", "merge-base", "HEAD", ref]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise EltError(
            f"--base {ref}: there is no such commit here, or none that this branch comes from",
            "fetch it with its history, for one: git fetch --unshallow origin main",
        )
    return done.stdout.strip()


def changed_files(base: str) -> list[str]:
    """Files that differ from `base`, those not committed yet among them; deleted ones aside."""
    changed = git("diff", "--name-only", "--diff-filter=d", base)
    untracked = git("ls-files", "--others", "--exclude-standard")
    return sorted({*changed.splitlines(), *untracked.splitlines()})


def deleted_files(base: str) -> list[str]:
    """Files of `base` that are no longer there."""
    return git("diff", "--name-only", "--diff-filter=D", base).splitlines()


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of the commit in `folder`, for the time of the block."""
    git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        git("worktree", "remove", "--force", str(folder))
