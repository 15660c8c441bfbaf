"""From Kafka into ClickHouse: a consumer group that commits what ClickHouse has, and a table per topic in which a replay changes nothing."""
