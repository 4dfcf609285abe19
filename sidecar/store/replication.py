"""Answers that are given once replicas have what they tell of.

A primary answers before its replicas have heard of anything; if it dies then, what was acknowledged is gone. `WAIT`
makes it say how many of them have all that this connection wrote. It goes out behind the commands of one write, so a
thousand calls wait for one confirmation, and their answers are held until it is there.

    EVALSHA .. EVALSHA .. WAIT  ->  answer .. answer (held) .. 2 replicas: given
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis

from sidecar.store.line import Asked, Place
from sidecar.store.refusals import Unreachable

_SHARE = 0.5


class Replication:
    """Has replicas confirm what was written.

    Args:
        replicas: so many, at least 1.
        timeout_s: how long the server may be silent; replicas get half of it.
    """

    def __init__(self, replicas: int, timeout_s: float) -> None:
        """Prepare."""
        self._replicas = replicas
        patience_ms = max(1, round(timeout_s * _SHARE * 1000))  # 0 would be for ever
        self._wait: bytes = hiredis.pack_command(("WAIT", replicas, patience_ms))  # type: ignore[arg-type]  # its stub is narrow

    def confirmed(self, asked: Sequence[Asked]) -> list[Asked]:
        """What to send for these, so that none is answered before replicas have what it wrote."""
        sent = [_Held(one) if any(place.lasting for place in one.places) else one for one in asked]
        held = [one for one in sent if isinstance(one, _Held)]
        return [*sent, _Confirmation(self._wait, self._replicas, held)] if held else sent


class _Held:
    """A command whose answer is kept."""

    __slots__ = ("asked", "command", "reply")

    places: Sequence[Place] = ()  # those are the confirmation's, since they wait for that

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.command = asked.command
        self.reply: Any = None

    def give(self, reply: Any) -> None:  # noqa: ANN401 - whatever the server answers
        """Keep it."""
        self.reply = reply


class _Confirmation:
    """WAIT, and the answers that depend on it."""

    __slots__ = ("_held", "_replicas", "command", "places")

    def __init__(self, command: bytes, replicas: int, held: Sequence[_Held]) -> None:
        self.command = command
        self._replicas = replicas
        self._held = held
        self.places = tuple(place for one in held for place in one.asked.places)

    def give(self, reply: Any) -> None:  # noqa: ANN401 - whatever the server answers
        """Give every answer; where too few replicas have it, that it is not known whether it will last.

        A refusal changed nothing, so it needs no confirmation.
        """
        missing = None
        if isinstance(reply, Exception):
            missing = reply
        elif reply < self._replicas:
            missing = Unreachable(f"{reply} of {self._replicas} replicas have it")
        for one in self._held:
            refused = isinstance(one.reply, Exception)
            one.asked.give(one.reply if missing is None or refused else missing)
