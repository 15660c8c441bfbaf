"""The connector's command."""

import sys

from airbyte_cdk.entrypoint import launch

from source_web_events.source import SourceWebEvents


def run() -> None:
    """Run the command that Airbyte asks for: spec, check, discover or read."""
    launch(SourceWebEvents(), sys.argv[1:])


if __name__ == "__main__":
    run()
