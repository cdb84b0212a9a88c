"""Where identity is kept: accounts, devices and sessions, and the attempts before them."""

from storage.identity.accounts import AccountStore
from storage.identity.attempts import AttemptStore, LoginSweep, TryStore
from storage.identity.sessions import DeviceStore, SessionStore

__all__ = ["AccountStore", "AttemptStore", "DeviceStore", "LoginSweep", "SessionStore", "TryStore"]
