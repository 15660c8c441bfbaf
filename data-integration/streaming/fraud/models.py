"""Trained models on disk: a folder for each version, and a link to the promoted one, which is switched in one step.

`v3/model.joblib` is the model, `v3/record.json` its version row. Both are written before the folder gets its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from foundation.disk import flush
from foundation.errors import EltError
from foundation.settings import Settings

FILE, RECORD, CURRENT = "model.joblib", "record.json", "current"
REMEDY = "elt stream train makes another"


@dataclass(frozen=True)
class Record:
    """What is known of a version. `metrics`: of the held-out days, by candidate; `reference`: how features and scores were spread, for drift."""

    version: int
    trained_at: str  # UTC, ISO 8601
    days: list[str]
    held_out_days: list[str]
    payments: int
    frauds: int
    features: list[str]
    threshold: float
    metrics: dict[str, dict[str, float]]
    reference: dict[str, dict[str, list[float]]]
    promoted: bool
    sklearn: str
    sha256: str = ""


@dataclass(frozen=True)
class Model:
    """One that can score."""

    record: Record
    _classifier: Any = field(repr=False)
    _trees: Any = field(
        repr=False
    )  # the same; scikit-learn 1.9 needs half a millisecond for one row, most of it for calls

    def score(self, values: Sequence[float]) -> float:
        """How likely a payment with these features is fraud, 0 to 1; beyond the 14th digit it may differ from `scores`."""
        import numpy
        from treelite import gtil

        return float(gtil.predict(self._trees, numpy.array([values], dtype=float), nthread=1).flat[-1])

    def scores(self, rows: Any) -> Any:
        """Of many payments, as an array of (payments,); `rows`: an array of (payments, features)."""
        return self._classifier.predict_proba(rows)[:, 1]


def folder_of(config: Settings) -> Path:
    """Where the versions are."""
    return config.home / "stream" / "models"


def promoted(config: Settings) -> int | None:
    """The version by which payments are scored; None: by the rules. Raises EltError: the link is none, or leads elsewhere."""
    link = folder_of(config) / CURRENT
    try:
        target = str(link.readlink())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EltError(
            f"{link} is no link: {error.strerror}", "remove it; elt stream train makes it"
        ) from None
    if not re.fullmatch(r"v\d+", target):
        raise EltError(
            f"{link} leads to {target}, which is no version", "let it lead to one beside it, as v1"
        )
    return int(target.removeprefix("v"))


def load(config: Settings, version: int) -> Model:
    """A version. Raises EltError: it is damaged, somebody else may have written it, or another scikit-learn has made it."""
    import joblib
    import sklearn
    import treelite

    folder = folder_of(config) / f"v{version}"
    _is_ours(folder)
    record = _record(folder / RECORD)
    _is_ours(folder / FILE)
    try:
        content = (folder / FILE).read_bytes()
    except OSError as error:
        raise EltError(f"model {version} can't be read: {error}", REMEDY) from None
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise EltError(f"{folder / FILE} is not the file that was written", REMEDY)
    if record.sklearn != sklearn.__version__:
        raise EltError(
            f"model {version} is of scikit-learn {record.sklearn}, here is {sklearn.__version__}", REMEDY
        )
    try:
        classifier = joblib.load(BytesIO(content))
        return Model(record, classifier, treelite.sklearn.import_model(classifier))
    except Exception as error:  # noqa: BLE001 - a pickle raises whatever it leads to
        raise EltError(f"{folder / FILE} is no model: {type(error).__name__}", REMEDY) from None


def records(config: Settings) -> list[Record]:
    """Of all versions, oldest first. Raises EltError: one is damaged."""
    found = [
        _record(file)
        for file in folder_of(config).glob(f"v*/{RECORD}")
        if re.fullmatch(r"v\d+", file.parent.name)
    ]
    return sorted(found, key=lambda record: record.version)


def _record(file: Path) -> Record:
    """Raises EltError."""
    try:
        record = Record(**json.loads(file.read_text()))
        if not (isinstance(record.version, int) and isinstance(record.threshold, float)):
            raise TypeError("version and threshold are numbers")
        if not (isinstance(record.features, list) and isinstance(record.sha256, str)):
            raise TypeError("features is a list, and sha256 a text")
    except (OSError, ValueError, TypeError) as error:
        raise EltError(f"{file} can't be read: {error}", f"remove its folder; {REMEDY}") from None
    return record


def _is_ours(path: Path) -> None:
    """A pickle is a program: nothing is loaded that another user could have put there. Raises EltError."""
    try:
        found = path.lstat()
    except OSError as error:
        raise EltError(f"{path} can't be read: {error.strerror}", REMEDY) from None
    if stat.S_ISLNK(found.st_mode):
        raise EltError(f"{path} is a link", REMEDY)
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EltError(
            f"{path} may be written by others", f"chmod go-w, if it is what you made; else {REMEDY}"
        )


def keep(config: Settings, record: Record, classifier: Any) -> Record:
    """Write a version; it is promoted by `promote`. The next number is the folder's."""
    import joblib

    folder = folder_of(config)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    joblib.dump(classifier, draft / FILE)
    digest = hashlib.sha256((draft / FILE).read_bytes()).hexdigest()
    numbered = Record(**asdict(record) | {"version": next_version(config), "sha256": digest})
    (draft / RECORD).write_text(json.dumps(asdict(numbered), indent=1) + "\n")
    for path in (*draft.iterdir(), draft):
        flush(path)
    draft.rename(folder / f"v{numbered.version}")
    flush(folder)
    return numbered


def promote(config: Settings, version: int) -> None:
    """Score by this version from now on."""
    folder = folder_of(config)
    link = folder / f".{CURRENT}.new"
    link.unlink(missing_ok=True)
    link.symlink_to(f"v{version}", target_is_directory=True)
    link.replace(folder / CURRENT)
    flush(folder)


def next_version(config: Settings) -> int:
    """The number of the version that is kept next: above that of every folder, also of one that has lost its record."""
    folders = (path.name for path in folder_of(config).glob("v*"))
    return max((int(name[1:]) for name in folders if re.fullmatch(r"v\d+", name)), default=0) + 1
