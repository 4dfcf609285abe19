"""What a server says instead of an answer, as typed outcomes; and that it could not be asked at all."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The first word of an error reply, as far as it means something to us; `ERR` stands for all others."""

    NOSCRIPT = "NOSCRIPT"
    NOAUTH = "NOAUTH"
    WRONGPASS = "WRONGPASS"
    NOPERM = "NOPERM"
    LOADING = "LOADING"
    BUSY = "BUSY"
    READONLY = "READONLY"
    MASTERDOWN = "MASTERDOWN"
    NOREPLICAS = "NOREPLICAS"
    OOM = "OOM"
    MISCONF = "MISCONF"
    MOVED = "MOVED"
    ASK = "ASK"
    TRYAGAIN = "TRYAGAIN"
    CROSSSLOT = "CROSSSLOT"
    CLUSTERDOWN = "CLUSTERDOWN"
    WRONGTYPE = "WRONGTYPE"
    ERR = "ERR"


class Refused(Exception):
    """The server answered with an error; nothing was changed unless a script broke off half-way.

    >>> Refused("MOVED 3999 10.0.0.1:6381").kind
    <Kind.MOVED: 'MOVED'>
    >>> Refused("wrong number of arguments").kind
    <Kind.ERR: 'ERR'>
    """

    def __init__(self, message: str) -> None:
        """Tell the kind from the first word."""
        super().__init__(message)
        word = message.partition(" ")[0]
        self.kind = Kind(word) if word in Kind.__members__ else Kind.ERR


class Unreachable(ConnectionError):
    """There is no connection, or it was lost before the reply came: then what became of the command is not known."""


class Unsent(Unreachable):
    """There is no connection, and the command was not sent."""
