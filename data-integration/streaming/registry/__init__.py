"""A schema registry: what the bytes of an event mean, by number, and which change of a schema is let in.

It speaks the REST API of Confluent's registry for Avro, so that any client of that one works here; its state is in the metadata PostgreSQL.
`avro` reads schemas, `compatibility` says what a change breaks, `store` keeps them, `api` answers. Production: another STREAM_REGISTRY_URL.
"""
