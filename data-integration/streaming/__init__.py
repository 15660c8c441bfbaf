"""Events in seconds: Kafka, its schema registry, producers and consumers, beside the batch. docs/stream.md says how it is used.

The modules that import a client of Kafka run in an environment of their own (`environment.program`); the others import nothing heavy.
"""
