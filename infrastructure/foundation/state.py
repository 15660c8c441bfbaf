"""Small files of state: read whole, or named with what to do about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from foundation.errors import EltError

T = TypeVar("T")


def read_state(path: Path, build: Callable[[Any], T], remedy: str) -> T:
    """What `build` makes of a JSON file. Raises FileNotFoundError, and EltError with `remedy` for a damaged or foreign file."""
    try:
        return build(json.loads(path.read_text()))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        found = "is empty" if isinstance(error, ValueError) and not path.stat().st_size else "is damaged"
        raise EltError(f"{path} {found}", remedy) from None
