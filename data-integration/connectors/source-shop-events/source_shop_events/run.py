"""The connector's command."""

import sys

from airbyte_cdk.entrypoint import launch

from source_shop_events.source import SourceShopEvents


def run() -> None:
    """Run the command that Airbyte asks for: spec, check, discover or read."""
    launch(SourceShopEvents(), sys.argv[1:])


if __name__ == "__main__":
    run()
