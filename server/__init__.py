"""Puts the hub together; the only package that sees everything."""
