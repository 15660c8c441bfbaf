"""Where data comes from: a folder per source type."""
