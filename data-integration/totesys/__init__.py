"""`totesys`: the operational database of a second company, a trading house."""
