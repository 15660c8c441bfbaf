"""The lake: from its processed zone into the warehouse and into Iceberg tables, compaction and retention."""
