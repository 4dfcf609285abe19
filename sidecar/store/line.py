"""One socket to a server: commands go out, replies come in, and each reply goes to the command it belongs to.

Redis answers in the order in which it was asked, and says nothing of what an answer belongs to. So every command that
was sent keeps its place in a queue until its reply comes, whether anybody still waits for it or not: a caller that has
left leaves its place behind, and the reply for it is dropped. Nobody can ever be given the reply of another. Calls that
are alike may share one command; its reply then holds theirs, in their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

import hiredis

from sidecar.errors import StoreMisbehaved
from sidecar.store.refusals import Kind, Refused, Unreachable


class Joint(Protocol):
    """What calls have alike that go together in one command."""

    most: int
    """At most so many calls go together."""

    def command(self, owns: Sequence[bytes]) -> bytes:
        """The command for several calls, of what each has for its own."""

    def replies(self, answer: Any) -> Sequence[Any]:  # noqa: ANN401 - whatever the server answers
        """The reply to each of these calls, in order, in the answer to the command."""


class Place:
    """A command, and what its caller waits on until the moment `until` of the loop's clock.

    With a `joint` the command is only what this call has for its own. One that is `asking` was sent here by ASK. What a
    `lasting` one writes shall survive the server. The result is the server's reply, or an exception to raise.
    """

    __slots__ = ("asking", "command", "future", "joint", "lasting", "until")

    def __init__(
        self,
        command: bytes,
        future: asyncio.Future[Any],
        until: float,
        joint: Joint | None = None,
        *,
        asking: bool = False,
        lasting: bool = True,
    ) -> None:
        """Keep them."""
        self.command = command
        self.future = future
        self.until = until
        self.joint = joint
        self.asking = asking
        self.lasting = lasting

    @property
    def places(self) -> Sequence[Place]:
        """This one alone."""
        return (self,)

    def give(self, reply: Any) -> None:  # noqa: ANN401 - whatever the server answers
        """Give the reply to the caller, if it still waits."""
        if not self.future.done():
            self.future.set_result(reply)


class Together:
    """Places of calls that go in one command."""

    __slots__ = ("_joint", "places")

    def __init__(self, joint: Joint) -> None:
        """Start with none."""
        self._joint = joint
        self.places: list[Place] = []

    @property
    def command(self) -> bytes:
        """The one command."""
        return self._joint.command([place.command for place in self.places])

    def give(self, reply: Any) -> None:  # noqa: ANN401 - whatever the server answers
        """Give each its reply; all the same one when it is an exception."""
        for place, own in zip(self.places, self._replies(reply), strict=True):
            place.give(own)

    def _replies(self, reply: Any) -> Sequence[Any]:  # noqa: ANN401 - as above
        if not isinstance(reply, Exception):
            try:
                replies = self._joint.replies(reply)
                if len(replies) == len(self.places):
                    return replies
                reply = StoreMisbehaved("reply", f"{len(replies)} replies to {len(self.places)} calls")
            except StoreMisbehaved as error:
                reply = error
        return [reply] * len(self.places)


class Asking:
    """ASKING, which lets the one command that comes next into a slot that a node is still taking over."""

    __slots__ = ()

    command = b"*1\r\n$6\r\nASKING\r\n"
    places: Sequence[Place] = ()

    def give(self, reply: Any) -> None:  # noqa: ANN401 - whatever the server answers
        """Drop it: if it was refused, so is the command."""


class Asked(Protocol):
    """What has its place in the queue: a command, the calls it is for, and what to do with the reply."""

    @property
    def command(self) -> bytes:
        """As it is sent."""

    @property
    def places(self) -> Sequence[Place]:
        """Whoever waits for it."""

    def give(self, reply: Any) -> None:  # noqa: ANN401 - whatever the server answers
        """Pass the reply on."""


_ASKING = Asking()


def joined(places: Iterable[Place]) -> list[Asked]:
    """What to send for these places: those that may go together do, from where the first of them stands.

    What is in one list goes out in one write and in this order, so nothing comes between an ASKING and its command.
    """
    asked: list[Asked] = []
    open_to: dict[tuple[Joint, bool], Together] = {}
    for place in places:
        if place.joint is None:
            if place.asking:
                asked.append(_ASKING)
            asked.append(place)
            continue
        alike = place.joint, place.asking
        together = open_to.get(alike)
        if together is None or len(together.places) >= place.joint.most:
            together = open_to[alike] = Together(place.joint)
            if place.asking:
                asked.append(_ASKING)
            asked.append(together)
        together.places.append(place)
    return asked


class Line(asyncio.Protocol):
    """Asks one server over one socket, until that is lost.

    Args:
        lost: called once, with why, when the socket is of no use any more.
        writable: called when the server reads again after it did not.
        leaves_on: after such a refusal nothing more shall be asked here, and the socket is given up as soon as all that
            was asked has its reply.
    """

    def __init__(
        self,
        lost: Callable[[Line, BaseException], None],
        writable: Callable[[], None],
        leaves_on: frozenset[Kind] = frozenset(),
    ) -> None:
        """Start without a socket."""
        self._lost: Callable[[Line, BaseException], None] | None = lost
        self._resumed = writable
        self._leaves_on = leaves_on
        self._reader = hiredis.Reader(replyError=self._refused)
        self.leaving: Refused | None = None
        """Why nothing more shall be asked here."""
        self._transport: asyncio.Transport | None = None
        self.asked: deque[Asked] = deque()
        self.owed = 0
        """So many calls have no reply yet, whether anybody still waits for it or not."""
        self.writable = True
        self.heard_at = 0.0
        """When the server last said something, or was asked something after it owed nothing; by the loop's clock."""

    @property
    def alive(self) -> bool:
        """Whether there is a socket that was not lost yet."""
        return self._transport is not None

    def ask(self, asked: Sequence[Asked], now: float) -> None:
        """Send commands in one write."""
        if self._transport is None:
            raise Unreachable("the connection was lost")
        if not self.asked:
            self.heard_at = now
        self.asked.extend(asked)
        self.owed += sum([len(one.places) for one in asked])
        self._transport.write(b"".join([one.command for one in asked]))

    def drop(self, why: BaseException) -> None:
        """Give the socket up; every caller that still waits is told."""
        lost, self._lost = self._lost, None
        if lost is None:
            return
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self.owed = 0
        while self.asked:
            self.asked.popleft().give(Unreachable(f"the connection was lost: {why}"))
        lost(self, why)

    # --- what the socket tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's is; other loops have classes of their own

    def data_received(self, data: bytes) -> None:
        """Give each reply to its place."""
        self.heard_at = asyncio.get_running_loop().time()
        asked, gets = self.asked, self._reader.gets
        try:
            self._reader.feed(data)
            while (reply := gets()) is not False:
                one = asked.popleft()
                self.owed -= len(one.places)
                one.give(reply)
            if self.leaving is not None and not asked:
                self.drop(self.leaving)
        except (hiredis.HiredisError, IndexError) as error:  # not RESP, or a reply that nobody asked for
            self.drop(error)

    def _refused(self, message: str) -> Refused:
        refused = Refused(message)
        if refused.kind in self._leaves_on:
            self.leaving = refused
        return refused

    def pause_writing(self) -> None:
        """Ask for nothing more: the server does not read."""
        self.writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self.writable = True
        self._resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody."""
        self.drop(exc or ConnectionResetError("the server closed it"))
