"""A folder of files that can be checked later: its manifest holds the size and the SHA-256 of each."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

from foundation.disk import flush
from foundation.errors import EltError

MANIFEST = "manifest.json"
FORMAT = 1


def seal(folder: Path) -> None:
    """Write the manifest of a folder's files. Raises OSError."""
    files: dict[str, object] = {
        path.name: _mark(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST
    }
    (folder / MANIFEST).write_text(_text(files))


def exchange(folder: Path, name: str, new: Path) -> None:
    """Put the file `new` in the place of a sealed folder's file `name`; it comes from a folder of its own on the same disk.

    Killed at any moment, the folder is as sealed as before: for that moment the manifest knows the old file and the new one. What
    was not as it was sealed does not become so. Raises OSError.
    """
    old = _mark(folder / name)
    try:
        files, coming = _manifest(folder / MANIFEST, "")
    except EltError:
        files, coming = {}, {}
    if old not in (files.get(name), coming.get(name)):
        new.replace(folder / name)
        return
    now = _mark(new)
    _replace_manifest(folder, new, _text(files | {name: old}, {name: now}))
    new.replace(folder / name)
    _replace_manifest(folder, new, _text(files | {name: now}))


def _replace_manifest(folder: Path, beside: Path, text: str) -> None:
    draft = beside.with_name(MANIFEST)
    draft.write_text(text)
    flush(draft)
    draft.replace(folder / MANIFEST)


def verify(folder: Path) -> None:
    """Compare a sealed folder with its manifest, reading every byte.

    Raises EltError with the file: one that is damaged, missing, not in the manifest, or no plain file (a link, a folder).
    """
    remedy = "choose another backup: `elt backup --list`"
    if folder.is_symlink() or not folder.is_dir():
        raise EltError(f"{folder} is no folder of its own, but a link or a file", remedy)
    for path in sorted(folder.iterdir()):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise EltError(f"{path} is no plain file", remedy)
    wanted, coming = _manifest(folder / MANIFEST, remedy)
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted(wanted.keys() | found):
        if name not in found:
            raise EltError(f"{folder / name} is missing", remedy)
        if name not in wanted:
            raise EltError(f"{folder / name} is not in the manifest", remedy)
        if _mark(folder / name) not in (wanted[name], coming.get(name)):
            raise EltError(f"{folder / name} is damaged: size or checksum is not the manifest's", remedy)


def _text(files: dict[str, object], coming: dict[str, object] | None = None) -> str:
    manifest = {"format": FORMAT, "files": files} | ({"coming": coming} if coming else {})
    return json.dumps(manifest, indent=1) + "\n"


def _manifest(path: Path, remedy: str) -> tuple[dict[str, object], dict[str, object]]:
    """The marks of the files, and that of a file that is just being exchanged."""
    try:
        manifest = json.loads(path.read_text())
        form, files, coming = manifest["format"], dict(manifest["files"]), dict(manifest.get("coming", {}))
    except FileNotFoundError:
        raise EltError(
            f"{path.parent} has no {MANIFEST}: it is not whole, or an older version made it", remedy
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EltError(f"{path} is damaged", remedy) from None
    if form != FORMAT:
        raise EltError(f"{path} has the format {form}; this version reads {FORMAT}", remedy)
    return files, coming


def _mark(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}
