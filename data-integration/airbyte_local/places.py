"""Where a destination's file may lie: what comes from outside names no file beyond."""

from __future__ import annotations

from pathlib import Path

from foundation.settings import folders_of, settings


def outside(path: str) -> str | None:
    """Why the file `path`, its links followed, is none that a destination may write; None when it is."""
    config = settings()
    folders = [config.home, *folders_of(config.airbyte_folders)]
    try:
        place = Path(path).resolve()
        if any(place.is_relative_to(folder.resolve()) for folder in folders):
            return None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, say
        return f"cannot be followed: {error}"
    named = ", ".join(map(str, folders))
    return f"is not below {named}: choose a file there, or add its folder to AIRBYTE_FOLDERS"
