"""Streams in Redis: the broker of many processes and many machines."""

from storage.streams.broker import RedisBroker

__all__ = ["RedisBroker"]
