"""Airbyte's mappers: what becomes of a stream's rows on their way from the source to the destination."""
