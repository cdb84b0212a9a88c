"""Meetings: from the plan to the archive; what happens in the hall is ``domain.hall``."""
