"""Check-in: four equal doors to one attendance record.

A scan is read and judged (``judging``), marks the attendance record (``domain.attendance``), and is
itself kept (``scan``), whatever came of it.
"""
