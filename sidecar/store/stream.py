"""One connection to one server that all calls share, made again when it is lost.

    waiting --(one write in each turn of the loop)--> asked, on a `Line` --> its reply

One connection is enough: Redis works through commands one after the other anyway, and writing many at once costs a
fraction of writing each by itself. A call that ends early costs nobody else anything: what was not sent yet is not
sent, and a reply that comes later is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Callable
from itertools import chain
from random import Random
from typing import Any

from sidecar.store.breaker import Breaker
from sidecar.store.endpoint import Way
from sidecar.store.line import Joint, Line, Place, joined
from sidecar.store.refusals import Kind, Refused, Unreachable, Unsent
from sidecar.store.replication import Replication

_log = logging.getLogger(__name__)

_BACKOFF_S, _BACKOFF_MAX_S = 0.05, 1.0


class Stream:
    """Sends commands to one server. Belongs to one event loop.

    Args:
        endpoint: the way to the server.
        timeout_s: how long connecting may take, and how long the server may be silent while it owes a reply.
        places_max: at most so many calls are under way at once.
        jitter: spreads the attempts of many sidecars to connect again.
        troubled: called whenever the connection was lost or could not be made.
        replicas: so many have to have what a call wrote before it is answered.
    """

    def __init__(
        self,
        endpoint: Way,
        *,
        timeout_s: float = 1.0,
        places_max: int = 8192,
        jitter: Random | None = None,
        troubled: Callable[[], None] = lambda: None,
        replicas: int = 0,
    ) -> None:
        """Prepare; nothing is connected yet."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._places_max = places_max
        self._jitter = jitter or Random()  # noqa: S311 - spreads load, keeps no secret
        self._troubled = troubled
        self._replication = Replication(replicas, timeout_s) if replicas else None
        self._waiting: deque[Place] = deque()
        self._line: Line | None = None
        self._failure: BaseException | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._made_at = -math.inf
        self._brief = 0
        self._flush_planned = False
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = False
        self.breaker = Breaker(timeout_s, self._jitter)
        """For who sends what the application waits for; the stream itself does not heed it."""

    @property
    def failing(self) -> bool:
        """Whether the last attempt to connect failed, so that callers are refused at once."""
        return self._failure is not None

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._waiting and not (self._line and self._line.asked)

    @property
    def leaves_on(self) -> frozenset[Kind]:
        """After such a refusal the next call goes over a new connection."""
        return self._endpoint.leaves_on

    async def execute(self, command: bytes, until: float = math.inf, *, lasting: bool = True) -> Any:  # noqa: ANN401 - whatever it answers
        """Send a packed command and wait for its reply; see `begin` and `reply_of`."""
        return await reply_of(self.begin(command, until, lasting=lasting))

    def begin(
        self,
        command: bytes,
        until: float = math.inf,
        joint: Joint | None = None,
        *,
        asking: bool = False,
        lasting: bool = True,
    ) -> asyncio.Future[Any]:
        """Send a packed command. What was begun in one turn of the loop is sent together.

        Args:
            command: the bytes to send, in RESP.
            until: when to give up, by the loop's clock; never later than `timeout_s` from now.
            joint: what this call has in common with others, if it may go in one command with them; `command` is then
                what it has for its own.
            asking: send ASKING before it, with nothing in between.
            lasting: have replicas confirm what it writes, if this stream does so at all.

        Returns:
            What `reply_of` waits for.

        Raises:
            Unsent: there is no connection, or too many calls are under way.
        """
        self._admit()
        loop = asyncio.get_running_loop()
        until = min(until, loop.time() + self._timeout_s)
        place = Place(command, loop.create_future(), until, joint, asking=asking, lasting=lasting)
        self._waiting.append(place)
        if self._line is None:
            self._reconnect()
        elif not self._flush_planned:
            self._flush_planned = True
            loop.call_soon(self._flush)
        if self._alarm is None or until < self._alarm.when():
            self._set_alarm(until)
        return place.future

    async def close(self) -> None:
        """End the connection; whoever still waits is told so."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        if self._line is not None:
            self._line.drop(Unreachable("closed"))
        self._turn_away("closed")

    def _admit(self) -> None:
        if self._closed:
            raise Unsent("the connection is closed")
        if self._failure is not None:  # waiting for an attempt that may fail again would hold the caller up
            raise Unsent(f"the server is away: {self._failure!r}") from self._failure
        if len(self._waiting) + (self._line.owed if self._line else 0) >= self._places_max:
            raise Unsent(f"{self._places_max} calls are under way already")

    # --- sending

    def _flush(self) -> None:
        self._flush_planned = False
        line = self._line
        if line is None or not line.writable or line.leaving:
            return
        going = [place for place in self._waiting if not place.future.done()]
        self._waiting.clear()
        if going:
            asked = joined(going)
            if self._replication is not None:
                asked = self._replication.confirmed(asked)
            line.ask(asked, asyncio.get_running_loop().time())

    def _turn_away(self, why: str) -> None:
        while self._waiting:
            self._waiting.popleft().give(Unsent(why))

    def _fail(self, error: BaseException) -> None:
        """Refuse callers until there is a connection."""
        self._failure = error
        self._turn_away(f"the server is away: {error!r}")

    # --- deadlines: one alarm for all calls, at the earliest; one for each would cost as much as the call itself

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        now, soonest = asyncio.get_running_loop().time(), math.inf
        line, self._alarm = self._line, None
        asked = chain.from_iterable(one.places for one in line.asked) if line else ()
        for place in chain(asked, self._waiting):
            if place.future.done():
                continue
            if place.until <= now:
                place.future.set_result(TimeoutError("no reply in time"))
            else:
                soonest = min(soonest, place.until)
        if line is not None and line.asked:
            gone_at = line.heard_at + self._timeout_s
            if gone_at <= now:
                line.drop(TimeoutError(f"silent for {self._timeout_s:g} s"))
            soonest = min(soonest, max(gone_at, now))
        if soonest < math.inf:
            self._set_alarm(soonest)

    # --- connecting

    def _reconnect(self) -> None:
        if self._connecting is None and not self._closed:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        attempt, loop = 0, asyncio.get_running_loop()
        if self._brief:  # who hangs up at once, or leads to the wrong server, is not asked in circles
            await asyncio.sleep(max(0.0, self._made_at + _backoff_s(self._brief - 1) - loop.time()))
        while True:
            try:
                async with asyncio.timeout(self._timeout_s):
                    line = await self._endpoint.connect(lambda: Line(self._lost, self._flush, self._endpoint.leaves_on))
                    await self._greet(line)
            except Exception as error:  # noqa: BLE001 - whatever it is, callers are told and the attempts go on
                self._fail(error)
                self._troubled()
            else:
                break
            await asyncio.sleep(_backoff_s(attempt) * (0.5 + self._jitter.random() / 2))
            attempt += 1
        self._line, self._failure, self._connecting = line, None, None
        self._made_at = loop.time()
        self._flush()

    async def _greet(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        *musts, naming = [Place(command, loop.create_future(), math.inf) for command in self._endpoint.greeting()]
        line.ask([*musts, naming], loop.time())
        try:
            self._endpoint.check([await reply_of(place.future) for place in musts])
            try:
                await reply_of(naming.future)
            except Refused as error:
                if error.kind is not Kind.NOPERM:  # the name is a courtesy, which not every user may show
                    raise
            if not line.alive:  # lost together with the last reply
                raise Unreachable("the connection was lost")
        except BaseException:
            line.drop(Unreachable("not let in"))
            raise

    def _lost(self, line: Line, why: BaseException) -> None:
        if line is self._line:
            self._line = None
            _log.debug("the connection to the store was lost: %s", why)
            lasted = asyncio.get_running_loop().time() - self._made_at > _BACKOFF_MAX_S
            self._brief = 0 if lasted else self._brief + 1
            if self._brief > 1 and line.leaving is not None:  # the new one was no better
                self._fail(line.leaving)
            self._reconnect()
            self._troubled()


def _backoff_s(attempt: int) -> float:
    return min(_BACKOFF_MAX_S, _BACKOFF_S * 2.0 ** min(attempt, 10))


async def reply_of(begun: asyncio.Future[Any]) -> Any:  # noqa: ANN401 - whatever the server answers
    """Wait for the reply to a command.

    Raises:
        Refused: the server answered with an error.
        Unreachable: the connection was lost; if the command had been sent, whether it was carried out is not known.
        TimeoutError: no reply came in time; likewise.
    """
    reply = await begun
    if isinstance(reply, Exception):
        raise reply
    return reply
