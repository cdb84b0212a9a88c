"""Refusals in MongoDB's own words: a number, a name, a sentence."""

from __future__ import annotations

from typing import Any

NAMES = {
    2: "BadValue",
    9: "FailedToParse",
    11: "UserNotFound",
    14: "TypeMismatch",
    15: "Overflow",
    20: "IllegalOperation",
    26: "NamespaceNotFound",
    27: "IndexNotFound",
    28: "PathNotViable",
    40: "ConflictingUpdateOperators",
    43: "CursorNotFound",
    48: "NamespaceExists",
    50: "MaxTimeMSExpired",
    52: "DollarPrefixedFieldName",
    53: "InvalidIdField",
    54: "NotSingleValueField",
    56: "EmptyFieldName",
    59: "CommandNotFound",
    66: "ImmutableField",
    67: "CannotCreateIndex",
    72: "InvalidOptions",
    73: "InvalidNamespace",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    146: "ExceededMemoryLimit",
    168: "InvalidPipelineOperator",
    171: "CannotIndexParallelArrays",
    238: "NotImplemented",
    241: "ConversionFailure",
    10334: "BSONObjectTooLarge",
    11000: "DuplicateKey",
    14031: "OutOfDiskSpace",
    40415: "IDLUnknownField",
}


class Refused(Exception):
    """A command, or one document of it, that the engine will not carry out.

    Attributes:
        code: MongoDB's error number.
        msg: One English sentence, worded as MongoDB's where a program may look at it.
        extra: Further fields of the reply, such as ``keyPattern``.
    """

    def __init__(self, code: int, msg: str, **extra: Any) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.extra = extra

    def reply(self) -> dict[str, Any]:
        """The whole command's answer."""
        name = NAMES.get(self.code, f"Location{self.code}")
        return {
            "ok": 0.0,
            "errmsg": self.msg,
            "code": self.code,
            "codeName": name,
            **self.extra,
        }

    def write_error(self, index: int) -> dict[str, Any]:
        """The entry of ``writeErrors`` for the statement with this number."""
        return {"index": index, "code": self.code, "errmsg": self.msg, **self.extra}


def unsupported(what: str) -> Refused:
    """MongoDB can do it, the embedded engine cannot."""
    return Refused(238, f"{what} is not supported by the embedded engine")
