"""Everything a client can call, over REST and over channels; one file per feature."""
