"""Callers without end: who is answered calls again at once, who is refused after a pause."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from serving import bodies, http2
from serving.arithmetic import percentile
from serving.paced import Line

USEFUL_S = 0.05
"""The deadline of clients that set none: an answer that comes later serves nobody."""
_CONNECTIONS = 16
_UNSETTLED = 0.4  # of the time: what begins then is not counted
_TURN_S = 0.05
_PATIENCE_S = 20.0


@dataclass(slots=True)
class Seen:
    """What a load saw; latencies in seconds, of calls that began when it had settled."""

    seconds: float
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    answers: int = 0
    """All of them, from the first call to the last."""
    refusals: int = 0
    lost: int = 0
    """Calls whose stream was reset, or that did not end."""

    def figures(self) -> dict[str, float]:
        """What is looked at: rates a second, latencies in milliseconds."""
        return {
            "answered_per_s": len(self.answered) / self.seconds,
            "useful_per_s": sum(one <= USEFUL_S for one in self.answered) / self.seconds,
            "refused_share": len(self.refused) / max(1, len(self.refused) + len(self.answered)),
            "p50_ms": percentile(self.answered or [0.0], 0.5) * 1000,
            "p99_ms": percentile(self.answered or [0.0], 0.99) * 1000,
            "refused_p50_ms": percentile(self.refused or [0.0], 0.5) * 1000,
        }


class CrowdedLine(Line):
    """A connection that tells answers from refusals: a refusal has no message, only a status."""

    def __init__(self, address: str, method: str, body: bytes) -> None:
        """Connect."""
        super().__init__(address, method, body)
        self._messages: set[int] = set()

    def ended(self) -> Iterator[tuple[float, bool | None]]:
        """Read what is there: when each call began that has ended, and whether it was answered; None if it was reset.

        Raises:
            ConnectionError: the server has closed the connection.
        """
        read = self.socket.recv(262_144)
        if not read:
            raise ConnectionError("the server closed the connection")
        self._arrived += read
        for one in http2.taken(self._arrived):
            if one.kind == http2.DATA and one.payload:
                self._messages.add(one.stream)
            if one.kind == http2.RST_STREAM and one.stream in self.due:
                yield self.due.pop(one.stream), None
            elif one.kind in (http2.HEADERS, http2.DATA) and one.flags & http2.END_STREAM:
                answered = one.stream in self._messages
                self._messages.discard(one.stream)
                yield self.due.pop(one.stream), answered
            else:
                self._control(one)


class Crowd:
    """So many callers on a few connections.

    Args:
        address: of the sidecar.
        body: what they ask, framed.
        callers: how many.
        pause_s: what each waits after a refusal.
    """

    def __init__(self, address: str, body: bytes, callers: int, pause_s: float) -> None:
        """Connect; nobody calls yet."""
        self._lines = [CrowdedLine(address, bodies.RECOMMEND, body) for _ in range(min(_CONNECTIONS, callers))]
        self._callers, self._pause_s = callers, pause_s
        self._pausing: deque[tuple[float, CrowdedLine]] = deque()  # in order, for all pause as long
        self._calling = 0

    def load(self, seconds: float) -> Seen:
        """Let them call for so long, and wait until the last call has ended."""
        began = time.perf_counter()
        counted, end = began + seconds * _UNSETTLED, began + seconds
        seen = Seen(end - counted)
        for number in range(self._callers):
            self._call(self._lines[number % len(self._lines)])
        lines = {line.socket: line for line in self._lines}
        while (now := time.perf_counter()) < end or (self._calling and now < end + _PATIENCE_S):
            pause = self._resumed(now) if now < end else _TURN_S
            for ready in select.select(list(lines), [], [], pause)[0]:
                for sent, answered in lines[ready].ended():
                    self._noted(seen, sent, answered, counts=counted <= sent < end)
                    self._go_on(lines[ready], answered, end)
        seen.lost += self._calling
        for line in self._lines:
            line.socket.close()
        return seen

    def _call(self, line: CrowdedLine) -> None:
        line.send(time.perf_counter())
        self._calling += 1

    def _resumed(self, now: float) -> float:
        """Let those call whose pause is over; return how long until the next one's is."""
        while self._pausing and self._pausing[0][0] <= now:
            self._call(self._pausing.popleft()[1])
        return min(_TURN_S, max(0.0, self._pausing[0][0] - now)) if self._pausing else _TURN_S

    def _noted(self, seen: Seen, sent: float, answered: bool | None, *, counts: bool) -> None:
        self._calling -= 1
        latency = time.perf_counter() - sent
        if answered is None:
            seen.lost += 1
        elif answered:
            seen.answers += 1
            seen.answered += [latency] if counts else []
        else:
            seen.refusals += 1
            seen.refused += [latency] if counts else []

    def _go_on(self, line: CrowdedLine, answered: bool | None, end: float) -> None:
        now = time.perf_counter()
        if now >= end:
            return
        if answered:
            self._call(line)
        else:
            self._pausing.append((now + self._pause_s, line))
