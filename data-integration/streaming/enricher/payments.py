"""A payment with its features, how likely it is fraud, and what is unusual of it."""

from __future__ import annotations

import logging
import time
from typing import Any

from foundation.errors import EltError
from foundation.settings import Settings
from streaming.enricher.minutes import State
from streaming.fraud import rules
from streaming.fraud.features import features
from streaming.fraud.models import Model, load, promoted

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class Scorer:
    """Scores by the promoted model, by the rules where there is none; a newly promoted one is noticed within LOOK_SECONDS."""

    def __init__(self, config: Settings) -> None:
        self._config, self._features = config, features()
        self._model: Model | None = None
        self._tried: int | None = None
        self._said = ""  # last of what is wrong
        self._look_at = 0.0

    def scored(self, payment: dict[str, Any], state: State) -> dict[str, Any]:
        """The event of `shop.card_transactions_scored` for one of `shop.card_transactions`; `state`: the card's."""
        self._refresh()
        started = time.perf_counter()
        history = state.get("history", [])
        names, values = self._features.names, self._features.of(payment, history)
        state.set("history", self._features.after(payment, history))
        score = self._model.score(values) if self._model else rules.score(names, values)
        threshold = self._model.record.threshold if self._model else rules.THRESHOLD
        kept = ("event_id", "occurred_at", "creditcardid", "amount", "channel")
        return {name: payment[name] for name in kept} | {
            "features": values,
            "score": score,
            "suspected": score >= threshold,
            "reason": rules.reason(names, values) if score >= threshold else "",
            "model_version": self._model.record.version if self._model else 0,
            "scoring_seconds": time.perf_counter() - started,
        }

    def _refresh(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            version = promoted(self._config)
            if version is None or version == self._tried:
                return
            self._tried = version
            model = load(self._config, version)
        except EltError as error:
            if str(error) != self._said:
                log.warning("%s; payments are scored as before", error)
                self._said = str(error)
            return
        if tuple(model.record.features) != self._features.names:
            log.warning("model %s is of other features; payments are scored as before", version)
            return
        model.score([0.0] * len(self._features.names))  # the first one takes longer
        self._model = model
        log.info("payments are scored by model %s", version)
