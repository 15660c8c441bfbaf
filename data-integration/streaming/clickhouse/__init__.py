"""ClickHouse on one machine: its engine (chdb) behind an HTTP front that speaks ClickHouse's own protocol.

One process owns the folder. It runs in the lane's environment, where the engine is.
"""
