"""What a flow is: a conversation with a store, whichever it is.

A flow is a generator: it yields a transition and is sent the store's reply, until it returns its result. The same
flow thus runs over a store in memory (`run`) and over one that has to be waited for (`run_async`), and there is one
text of it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from sidecar.errors import SidecarError, StoreError, StoreMisbehaved
from sidecar.model.names import Scope
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.store import transitions as t

T = TypeVar("T")
Flow = Generator[t.Transition, t.Reply, T]


class SyncStore(Protocol):
    """A store that answers at once."""

    def apply(self, transition: t.Transition) -> t.Reply:
        """Apply one transition atomically."""


class AsyncStore(Protocol):
    """A store that has to be waited for."""

    async def apply(self, transition: t.Transition, until: float = math.inf) -> t.Reply:
        """Apply one transition atomically; wait at most until that moment of the loop's clock."""

    async def apply_all(self, transitions: Sequence[t.Transition], until: float) -> list[t.Reply | StoreError]:
        """Apply several, each atomically, in one round trip; the replies, or why there is none, in order."""


def run(flow: Flow[T], store: SyncStore) -> T:
    """Carry a flow through."""
    try:
        transition = next(flow)
        while True:
            transition = flow.send(store.apply(transition))
    except StopIteration as done:
        result: T = done.value
        return result


async def run_async(flow: Flow[T], store: AsyncStore, until: float = math.inf) -> T:
    """Carry a flow through, waiting for each reply; at most until that moment of the loop's clock."""
    try:
        transition = next(flow)
        while True:
            transition = flow.send(await store.apply(transition, until))
    except StopIteration as done:
        result: T = done.value
        return result


async def run_all(flows: Iterable[Flow[T]], store: AsyncStore, until: float = math.inf) -> list[T | SidecarError]:
    """Carry several flows through side by side, in as many round trips as the longest needs.

    Returns each one's result, or the error that ended it, in order.
    """
    outcomes: dict[int, T | SidecarError] = {}
    running = list(enumerate(flows))
    replies: Sequence[t.Reply | StoreError | None] = [None] * len(running)
    while running:
        asked = []
        for (number, flow), reply in zip(running, replies, strict=True):
            try:
                # A flow that was not begun yet is sent None.
                following = flow.throw(reply) if isinstance(reply, StoreError) else flow.send(reply)  # type: ignore[arg-type]
            except StopIteration as done:
                outcomes[number] = done.value
            except SidecarError as error:
                outcomes[number] = error
            else:
                asked.append(((number, flow), following))
        running = [one for one, _ in asked]
        replies = await store.apply_all([transition for _, transition in asked], until) if asked else []
    return [outcomes[number] for number in range(len(outcomes))]


def view_of(scope: Scope) -> Flow[DomainView]:
    """Read one domain.

    Raises:
        StoreMisbehaved: the reply is not one to this transition.
    """
    whole = yield t.Read(scope.tenant, scope.workspace)
    if not isinstance(whole, WorkspaceView):
        raise StoreMisbehaved("read", whole)
    return whole.domains.get(scope.domain, DomainView())
