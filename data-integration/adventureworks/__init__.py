"""The source system: AdventureWorks' 68 tables in PostgreSQL, their content, and the shop that trades on them."""
