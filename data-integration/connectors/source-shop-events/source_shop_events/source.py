"""Which streams there are, and whether they can be read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_shop_events.events import Events
from source_shop_events.kafka import Place


class SourceShopEvents(AbstractSource):
    """A stream for each topic of the configuration, whether Kafka has it yet or not."""

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        content = json.loads((Path(__file__).parent / "spec.json").read_text())
        return ConnectorSpecification(connectionSpecification=content, supportsIncremental=True)

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, Any]:
        """Whether Kafka and the registry let their users in."""
        try:
            Place(config).check()
        except AirbyteTracedException as error:
            return False, error.message
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        place = Place(config)
        return [Events(place, name) for name in config["topics"]]
