"""Results that charts asked for, kept as long as the files that they came from are the same.

A result belongs to the published version and the monitoring file that were there before its query and are still there after
it; another version, a rollback or an erased person makes other files, and results of old ones are not found again.
"""

import os
import threading
from pathlib import Path

from flask_caching.backends.filesystemcache import FileSystemCache

Identity = tuple[tuple[int, int, int], ...]


def identity(files: list[Path]) -> Identity | None:
    """Which files these are now, links followed; None while one is missing."""
    try:
        found = [path.stat() for path in files]
    except OSError:
        return None
    return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)


class ResultsCache(FileSystemCache):
    """In a folder that the workers share. Without the files (another warehouse) it keeps nothing."""

    def __init__(self, *args, files: list[Path], **kwargs):
        super().__init__(*args, **kwargs)
        self._files = files
        self._asked = threading.local()  # the thread's last question: where it misses, its query follows

    @classmethod
    def factory(cls, app, config, args, kwargs):
        """As flask-caching makes it; CACHE_OPTIONS brings `files`."""
        Path(config["CACHE_DIR"]).mkdir(parents=True, exist_ok=True, mode=0o700)
        return super().factory(app, config, args, kwargs)

    def get(self, key):
        """The result, if it is of the files of now."""
        if key == self._fs_count_file:  # the backend's own count of its files
            return super().get(key)
        now = identity(self._files)
        self._asked.about = (key, now)
        return super().get(f"{key} {now}") if now else None

    def set(self, key, value, timeout=None, mgmt_element=False):
        """Keep a result, if the files are those that they were when it was asked for."""
        if mgmt_element:
            return super().set(key, value, timeout, mgmt_element)
        now = identity(self._files)
        if now is None or getattr(self._asked, "about", None) != (key, now):
            return False
        return super().set(f"{key} {now}", value, timeout)


def configured(files: str, folder: str) -> dict[str, object]:
    """Superset's DATA_CACHE_CONFIG; `files` stand one after the other, with the system's separator."""
    return {
        "CACHE_TYPE": "results_cache.ResultsCache",
        "CACHE_DIR": folder,
        "CACHE_DEFAULT_TIMEOUT": 600,  # what is asked "of the last 30 days" moves on by itself
        "CACHE_THRESHOLD": 1000,  # results; the oldest make room
        "CACHE_OPTIONS": {"files": [Path(file) for file in files.split(os.pathsep)]},
    }
