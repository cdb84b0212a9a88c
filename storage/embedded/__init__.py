"""The embedded database: MongoDB's wire protocol over one SQLite file, for a hub of one machine.

``python -m storage.embedded FILE --unix SOCKET --parent-stdin`` runs it; ``process`` keeps it
running as the hub's child. What it cannot do exactly as MongoDB does, it refuses with MongoDB's
own error. ``docs/explanation/embedded-engine.md`` says what is in and what is not.
"""
