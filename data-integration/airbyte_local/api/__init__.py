"""The HTTP side: one router per resource, Airbyte's problem format, client-credential tokens."""
