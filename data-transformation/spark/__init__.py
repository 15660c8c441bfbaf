"""Spark over the lake: batch jobs that read and write the tables of its Iceberg catalogue. docs/spark.md says how it is used."""
