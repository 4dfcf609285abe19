"""Asks one server whatever an operator wants to know: for commands, not for serving."""

from __future__ import annotations

from typing import Any

import hiredis

from sidecar.settings.redis_url import Target
from sidecar.store.endpoint import Endpoint, Way
from sidecar.store.refusals import Refused
from sidecar.store.sentinel import WatchedPrimary
from sidecar.store.stream import Stream


class Inquiry:
    """A connection to the server of a URL; of a cluster, to the first of the nodes that the URL names.

    Args:
        target: what the URL says.
        timeout_s: how long connecting and each answer may take, in seconds.
    """

    def __init__(self, target: Target, timeout_s: float) -> None:
        """Prepare; nothing is connected yet."""
        way: Way
        if target.kind == "sentinel":
            way = WatchedPrimary(target, timeout_s)
        else:
            way = Endpoint(target.server(target.addresses[0]) if target.kind == "cluster" else target)
        self._stream = Stream(way, timeout_s=timeout_s)

    async def ask(self, *words: str | int) -> Any:  # noqa: ANN401 - whatever the server answers
        """What the server answers to a command.

        Raises:
            Refused: it answered with an error.
            OSError: it could not be reached, or did not answer in time.
        """
        return await self._stream.execute(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub is narrow

    async def text(self, *words: str | int) -> str | None:
        """What the server answers, as text; None when it refuses.

        Raises:
            OSError: as for `ask`.
        """
        try:
            answer = await self.ask(*words)
        except Refused:
            return None
        return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)

    async def close(self) -> None:
        """Close the connection."""
        await self._stream.close()
