"""The rules of the house: entities, events and services, with no I/O of their own."""
