"""`elt privacy`: a person's data disappear from the source, the warehouse and what is published, with a protocol.

`erase` is the way through; `marks` finds what a database file holds about a customer and takes it out, `protocol` remembers
what is under way and what was done. The source's side is `adventureworks.erasure`.
"""
