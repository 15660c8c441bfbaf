"""Posts about data tools: files of JSON lines in the lake's bucket, and how they sound."""
