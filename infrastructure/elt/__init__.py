"""The command line program `elt` and the one settings object."""
