"""Scans at the doors, and what is known of people there."""
