"""Running jobs: each a process of its own, watched by the server."""
