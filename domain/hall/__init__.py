"""The hall: what everybody at a meeting sees at the same moment, and those who drive it.

One document per meeting holds the live parts (``state``); the staff change one part at a time
(``console``); what changed is announced with the whole part and its version (``events``).
"""
