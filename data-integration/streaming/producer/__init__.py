"""Who writes the lane's events: `orders` from PostgreSQL's log, `page_views` from the web site, `cards` from a generator.

Each has a position in its source, and commits it with the events in one transaction of Kafka (`outbox`): after a kill at any moment each
position is in the topics once. `pgoutput` and `replication` read the log.
"""
