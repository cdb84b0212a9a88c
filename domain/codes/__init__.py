"""Every code of the house, whoever scans it: what it is, what to do with it, and who may issue it.

``domain.passes`` signs and verifies; ``domain.checkins`` lets people through doors.
"""
