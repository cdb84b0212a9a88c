"""Meetings, their agenda, who takes part, what came of them."""
