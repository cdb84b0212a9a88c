"""Notices (F02, M01): written once, seen by everyone they are for, accounted for person by person.

``notice`` is the thing and the map of its states, ``audience`` whom it is for, ``receipt`` what
became of it with one person, ``events`` what is announced.
"""
