"""Change data capture: a logical replication slot with PostgreSQL's own plugin pgoutput.

The slot remembers what was not taken yet; `slot` asks and moves it, `pgoutput` decodes what it holds, `capture` joins the two.

A position is a place in the write-ahead log. "At position P" means: every transaction whose commit record begins before P is
in, no other is. A temporary slot gives a position with the snapshot that belongs to it, so that a table that is read as
a whole and the changes that come after it meet without gap or overlap.
"""

from airbyte_local.sources.postgres.cdc.capture import Capture

__all__ = ["Capture"]
