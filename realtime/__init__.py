"""Channels and connections: the hub. No web framework, no database, no domain words."""
