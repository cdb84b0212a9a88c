"""Keys that sign codes, and badges."""
