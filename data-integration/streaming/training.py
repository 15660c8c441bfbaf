"""The model of fraud from outside the lane's environment: train it, and see whether payments have drifted from it."""

from __future__ import annotations

from typing import Any

from foundation.errors import EltError
from foundation.settings import Settings
from streaming import marts
from streaming.environment import answer

TRAIN_SECONDS = 3600.0
DRIFTED = 0.25  # population stability index; above it payments are others than the model knows


class DriftError(EltError):
    """The check ran, and is not content."""

    exit_code = 1


def train(config: Settings) -> dict[str, Any]:
    """Build the features by dbt, train on them, and promote the model if it is better; its version row. Raises EltError."""
    marts.build(config, ["--quiet", "--select", "+card_features"])
    found: dict[str, Any] = answer("streaming.fraud.train", timeout=TRAIN_SECONDS)
    return found


def drift() -> dict[str, Any]:
    """`model_version`, `payments` and `psi` by feature: empty where no model is promoted, or it has scored too few. Raises EltError."""
    found: dict[str, Any] = answer("streaming.fraud.drift", timeout=300)
    return found


def unless_drifted(found: dict[str, Any]) -> None:
    """Raises DriftError, naming what has drifted."""
    if others := [name for name, index in found["psi"].items() if index > DRIFTED]:
        raise DriftError(
            f"payments have drifted from model {found['model_version']}: {', '.join(others)}",
            "elt stream train; if that does not help, see what has changed",
        )
