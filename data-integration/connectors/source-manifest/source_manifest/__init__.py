"""Low-code manifests as Airbyte sources."""
