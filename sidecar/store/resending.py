"""How a call that a server refused, or that was never sent, is sent again: where, and how often.

Nothing is sent again that may have been carried out. Who tells a call's way is its `Routing`; this keeps count, so that
two servers that name each other, or one that stays away, end in an error and not in a circle.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from sidecar.store.line import Joint
from sidecar.store.packing import with_source
from sidecar.store.refusals import Refused
from sidecar.store.routing import Routing
from sidecar.store.stream import Stream, reply_of

_HOPS_AT_ONCE = 4
_PAUSE_S, _PAUSE_MAX_S = 0.005, 0.25


class Resending:
    """One call that did not get its answer at once.

    Args:
        routing: knows the streams.
        stream: where it was sent.
        command: what was sent; with a `joint`, what the call has for its own.
        name: of its script.
        key: one of its keys.
        joint: see `Stream.begin`.
        jitter: spreads the attempts of many calls.
    """

    def __init__(
        self, routing: Routing, stream: Stream, command: bytes, name: str, key: str, joint: Joint | None, jitter: Random
    ) -> None:
        """Begin with no attempts."""
        self.stream = stream
        """Where it was sent last."""
        self.name = name
        self._routing = routing
        self._command = command
        self._key = key
        self._joint = joint
        self._taking_apart: Joint | None = None
        self._jitter = jitter
        self._asking = False
        self._loaded: Stream | None = None
        self._turned = False
        self._pauses = 0
        self._hops = 0
        self._refused: Refused | None = None

    async def send(self, until: float) -> Any:  # noqa: ANN401 - whatever the server answers
        """Send it once more and wait.

        Raises:
            Refused, Unreachable, TimeoutError: as `Stream.begin` and `reply_of`.
            StoreMisbehaved: as its joint.
        """
        reply = await reply_of(self.stream.begin(self._command, until, self._joint, asking=self._asking))
        return self._taking_apart.replies(reply)[0] if self._taking_apart else reply

    def lacks_script(self) -> bool:
        """The server does not know the script; whether it has to be told first. If it was, the source goes along."""
        if self._loaded is not self.stream:
            self._loaded = self.stream
            return True
        joint = self._joint
        if joint is not None:
            self._command, self._joint, self._taking_apart = joint.command([self._command]), None, joint
        self._command = with_source(self._command, self.name)
        return False

    async def turn(self, error: Exception, until: float) -> None:
        """Go where the routing says, perhaps after a pause.

        Raises:
            Refused, Unreachable: there is nowhere to go, or not before that moment of the loop's clock.
        """
        detour = self._routing.detour(self._key, self.stream, error)
        if isinstance(error, Refused):
            self._refused = error
        if detour is None:
            raise self._refused or error
        if detour.once:
            if self._turned:
                raise error
            self._turned = True
        self.stream, self._asking = detour.stream, detour.asking
        self._hops += 1
        if detour.pause or self._hops > _HOPS_AT_ONCE:
            pause_s = min(_PAUSE_MAX_S, _PAUSE_S * 2.0 ** min(self._pauses, 10)) * (0.5 + self._jitter.random() / 2)
            if asyncio.get_running_loop().time() + pause_s >= until:
                raise error
            await asyncio.sleep(pause_s)
            self._pauses, self._hops = self._pauses + 1, 0
        if detour.pause:
            self.stream = self._routing.stream_of(self._key)
