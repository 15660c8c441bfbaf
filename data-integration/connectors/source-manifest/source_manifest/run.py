"""The connectors' command: `source-manifest MANIFEST spec|check|discover|read …`.

The CDK's own program `source-declarative-manifest` answers `spec` with that of any manifest; this one answers with the
specification of the manifest that it is given, as a connector that Airbyte has built from it does.
"""

import sys
from pathlib import Path

import yaml
from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource


def run() -> None:
    """Run the command that Airbyte asks for with the manifest that the first argument names."""
    if len(sys.argv) < 3:
        sys.exit("usage: source-manifest MANIFEST spec|check|discover|read …")
    manifest, *arguments = sys.argv[1:]
    launch(source_of(Path(manifest), arguments), arguments)


def source_of(manifest: Path, arguments: list[str]) -> ConcurrentDeclarativeSource:
    """The source of a manifest, with the configuration, catalogue and state that the arguments name."""
    given = AirbyteEntrypoint.parse_args(arguments)
    files = {name: getattr(given, name, None) for name in ("config", "catalog", "state")}
    source = ConcurrentDeclarativeSource
    return source(
        config=source.read_config(files["config"]) if files["config"] else None,
        catalog=source.read_catalog(files["catalog"]) if files["catalog"] else None,
        state=source.read_state(files["state"]) if files["state"] else [],
        source_config=yaml.safe_load(manifest.read_text(encoding="utf-8")),
        config_path=files["config"],
    )


if __name__ == "__main__":
    run()
