"""Stand-ins for the neighbours, for tests and demonstrations.

A stand-in speaks the neighbour's real protocol over a real socket, refuses what the neighbour
refuses, and is chosen by base URL alone: the code that talks to it cannot tell the difference. It
keeps what it was told in memory, where a test or the demo's phone page can look at it.
"""
