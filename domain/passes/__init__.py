"""What people and things show at a door: signed codes, the keys behind them, and badges.

A code (``code``) is a short text that anybody can check with a public key (``keys``) and nobody can
make without the private one. What a valid code is worth at a door is for ``domain.checkins``.
"""
