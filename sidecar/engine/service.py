"""The engine of the server: flows over the shared store, for every tenant, workspace and domain."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from sidecar.clock import Clock
from sidecar.engine import flows, gating, workspace
from sidecar.engine.continuity import Continuity
from sidecar.engine.degraded import degraded
from sidecar.engine.flow import Flow, run_all, run_async
from sidecar.engine.gating import ModeChange, ModeChanged
from sidecar.engine.learner import Learner, Moved
from sidecar.engine.purses import Purses
from sidecar.engine.recall import Recall, Told
from sidecar.engine.recovery import Recovery, Replayed
from sidecar.engine.reports import Reports
from sidecar.engine.snapshot import Snapshot, from_json
from sidecar.errors import InvalidInput, SidecarError, StoreError, UnknownDomain
from sidecar.model.decision import Ask, Decision, Source
from sidecar.model.mode import WIRED_DOMAINS, Mode
from sidecar.model.names import Scope
from sidecar.model.view import WorkspaceView
from sidecar.settings.file import Configuration
from sidecar.settings.flags import Flags
from sidecar.spool.spool import Spool
from sidecar.store.redis_store import RedisStore

T = TypeVar("T")

_log = logging.getLogger(__name__)

LEARNERS_MAX = 20_000
_SWEEP_IDLE_S = 7200.0
_REASON_LENGTH_MAX = 500
_DRAIN_S = 2.0


class LearningService:
    """Decides and learns for every scope that is asked for.

    Args:
        store: the shared state.
        configuration: what is declared.
        flags: kill switches.
        clock: for ages of what is remembered.
        moved: told when the gate moves.
        spool: takes reports while the store is away; None for none.
        recall_s: what was done in so many last seconds is sent again to a server that may have lost it.
        replayed: told what became of what was sent again.
    """

    def __init__(
        self,
        store: RedisStore,
        configuration: Configuration,
        flags: Flags,
        clock: Clock,
        moved: Moved = lambda _scope, _event: None,
        spool: Spool | None = None,
        recall_s: float = 60.0,
        replayed: Replayed = lambda _source, _outcome: None,
    ) -> None:
        """Start with nothing known."""
        self._moved = moved
        self._store = store
        self._configuration = configuration
        self._flags = flags
        self._clock = clock
        self._learners: OrderedDict[Scope, Learner] = OrderedDict()
        self._used_at: dict[tuple[str, str], float] = {}
        self._purses = Purses(store, clock)
        self.continuity = Continuity(store, clock, self._version_of, lambda scope: self._learners.pop(scope, None))
        """Notices when the store has lost something."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._spool = spool
        self._recall = Recall(clock, recall_s)
        self._reports = Reports(store, self.learner, flags, clock, self._recall, spool)
        self._recovery = Recovery(store, self._reports, self._recall, spool, self.learner, clock, replayed)

    # --- decisions

    async def recommend(self, ask: Ask, within_s: float | None = None) -> Decision:
        """Decide; while the store is away, or does not answer in time, the baseline.

        Args:
            ask: the request.
            within_s: how long the caller can wait, in seconds.

        Raises:
            StoreUnavailable: the store is away and the request is strict.
        """
        learner = self.learner(ask.scope)
        mark = learner.mark
        try:
            return await run_async(self._deciding(learner, ask), self._store, _moment(within_s))
        except StoreError as error:
            self._missed(learner, ask, error, mark)
            if ask.strict:
                raise
            return degraded(learner, ask, self._purses.of(learner))

    async def recommend_all(self, asks: Sequence[Ask], within_s: float | None = None) -> list[Decision | SidecarError]:
        """Decide for several requests together; each as `recommend` does, with its error in place of raising it."""
        learners = [self.learner(ask.scope) for ask in asks]
        marks = [learner.mark for learner in learners]
        outcomes = await run_all(map(self._deciding, learners, asks), self._store, _moment(within_s))
        for at, (learner, ask, outcome, mark) in enumerate(zip(learners, asks, outcomes, marks, strict=True)):
            if isinstance(outcome, StoreError):
                self._missed(learner, ask, outcome, mark)
                outcomes[at] = outcome if ask.strict else degraded(learner, ask, self._purses.of(learner))
        return outcomes

    async def reward(self, told: Told, within_s: float | None = None) -> flows.Settled:
        """Report what happened; a store that does not answer in time is away.

        Raises:
            InvalidInput: a signal is not allowed, or there is none that makes a reward.
            Overloaded: the store is away and the spool is full; nothing was kept.
            StoreUnavailable: there is no spool; whether it was counted is not known; safe to repeat.
        """
        return await self._reports.reward(told, _moment(within_s))

    async def reward_all(
        self, told: Iterable[Told], within_s: float | None = None
    ) -> list[flows.Settled | SidecarError]:
        """Report several together; each as `reward` does, with its error in place of raising it."""
        return await self._reports.reward_all(told, _moment(within_s))

    async def release(self, scope: Scope, decision_id: str, within_s: float | None = None) -> flows.ReleaseOutcome:
        """Close a decision that was not acted on; a store that does not answer in time is away.

        Raises:
            Overloaded: the store is away and the spool is full; nothing was kept.
            StoreUnavailable: there is no spool; whether it was closed is not known; safe to repeat.
        """
        return await self._reports.release(scope, decision_id, _moment(within_s))

    # --- administration

    async def set_mode(self, scope: Scope, change: ModeChange, settings: Mapping[str, Any] | None) -> ModeChanged:
        """Set a domain's mode for every sidecar, and begin a new phase of its gate.

        Raises:
            InvalidInput: the reason is too long, or a setting is not allowed (named below `settings`).
            UnknownDomain: the domain is neither configured nor in the store.
            StoreUnavailable: whether it was set is not known; safe to repeat.
        """
        if len(change.reason) > _REASON_LENGTH_MAX:
            raise InvalidInput("reason", change.reason, f"at most {_REASON_LENGTH_MAX} characters")
        await self._known(scope)
        if settings is not None:
            Learner(scope, self._configuration.with_domain(scope.domain, settings), self._clock)
            change = replace(change, settings_json=msgspec.json.encode(settings).decode())
        return await self._run(gating.set_mode(self.learner(scope), change))

    async def snapshot(self, tenant: str, workspace_name: str, policies: Collection[str]) -> Snapshot:
        """What a workspace has learned.

        Raises:
            StoreUnavailable: the store could not be asked.
        """
        return await self._run(
            workspace.take_snapshot(
                tenant,
                workspace_name,
                self._learner_of(tenant, workspace_name),
                self._flags.learning,
                (),
                policies,
                self._clock.unix_ms(),
            )
        )

    async def restore(
        self, tenant: str, workspace_name: str, document_json: str, options: workspace.RestoreOptions
    ) -> list[workspace.DomainRestore]:
        """Replace what a workspace has learned, entirely or not at all.

        Raises:
            InvalidInput: the document is not valid; nothing was changed.
            RestoreConflict: the workspace kept changing; nothing was changed.
            StoreUnavailable: whether it was written is not known; safe to repeat.
        """
        document = from_json(document_json)
        learner_of = self._learner_of(tenant, workspace_name)
        flow = workspace.restore(tenant, workspace_name, learner_of, self.configured, document, options)
        return await self._run(flow)

    async def status(self, tenant: str, workspace_name: str, domain: str) -> WorkspaceView:
        """A workspace at one instant; `domain`, if given, must be known.

        Raises:
            UnknownDomain: the domain is neither configured nor in the store.
            StoreUnavailable: the store could not be asked.
        """
        if domain:
            await self._known(Scope(tenant, workspace_name, domain))
        learner_of = self._learner_of(tenant, workspace_name)
        return await self._run(workspace.read(tenant, workspace_name, learner_of, self._flags.learning))

    async def server(self) -> str:
        """What the store says it is.

        Raises:
            StoreUnavailable: it does not say anything.
        """
        server = await self._store.server()
        self._recovery.met(server)
        return server.name

    # --- what is remembered

    @property
    def configured(self) -> frozenset[str]:
        """Domains that exist without anybody having used them."""
        return configured_domains(self._configuration)

    def learner(self, scope: Scope) -> Learner:
        """The learner of a scope; the one used longest ago makes room when there are too many."""
        learner = self._learners.get(scope)
        if learner is None:
            learner = self._learners[scope] = self._new(scope)
            if len(self._learners) > LEARNERS_MAX:
                self._learners.popitem(last=False)
        self._learners.move_to_end(scope)
        self._used_at[scope[:2]] = self._clock.monotonic()
        return learner

    def mode(self, scope: Scope) -> Mode:
        """The mode in force here: off when a flag says so."""
        return self.learner(scope).mode if self._flags.learning(scope.domain) else Mode.OFF

    async def sweep(self) -> int:
        """Close overdue decisions of every workspace that was used lately, and renew leases.

        Returns how many decisions were closed or forgotten.

        Raises:
            StoreUnavailable: the store could not be asked; the next sweep goes on.
        """
        since = self._clock.monotonic() - _SWEEP_IDLE_S
        lately = sorted((at, whole) for whole, at in self._used_at.items() if at > since)
        self._used_at = {whole: at for at, whole in lately[-LEARNERS_MAX:]}
        swept = 0
        for tenant, workspace_name in list(self._used_at):
            for domain in await self.continuity.look(tenant, workspace_name):
                if self._flags.learning(domain):
                    swept += await self._run(workspace.expire(self._peek(Scope(tenant, workspace_name, domain))))
        await self._purses.renew(list(self._learners.values()))
        return swept

    async def recover_forever(self) -> None:
        """Replay what the spool holds, and what a server lost, whenever the store answers; until this is cancelled."""
        await self._recovery.forever()

    @property
    def spooled(self) -> int:
        """Reports that wait for the store."""
        return self._spool.waiting if self._spool else 0

    async def close(self) -> None:
        """Finish what was begun in the background, try to empty the spool, then close the store."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        await self._recovery.drain(_DRAIN_S)
        await self._purses.close()
        await self._store.close()

    def _deciding(self, learner: Learner, ask: Ask) -> Flow[Decision]:
        if not self._flags.learning(ask.scope.domain):
            return flows.baseline(ask, Mode.OFF, Source.BASELINE)
        return (yield from flows.recommend(learner, ask))

    def _missed(self, learner: Learner, ask: Ask, error: StoreError, mark: str) -> None:
        """The decision may have been recorded although its answer never came: give its money back.

        Not where the caller is told of the failure and may ask again under the same id: it then gets what was recorded.
        Nor what another call of this id recorded: that was answered, here or by another sidecar, and acted on.
        """
        _log.debug("degraded: %s", error)
        if not ask.repeatable or not (ask.strict or self._recall.decision(ask.scope, ask.decision_id)):
            self._forsake(learner, ask, mark)

    async def _run(self, flow: Flow[T]) -> T:
        return await run_async(flow, self._store)

    def _new(self, scope: Scope) -> Learner:
        return Learner(scope, self._configuration, self._clock, moved=self._moved, decided=self._recall.decided)

    def _version_of(self, scope: Scope) -> int:
        learner = self._learners.get(scope)
        return learner.view.version if learner else 0

    @property
    def store_breaker(self) -> str:
        """Whether calls go to the store: `closed` when they do, `open`, or `half_open`."""
        return self._store.breaker

    def _peek(self, scope: Scope) -> Learner:
        return self._learners.get(scope) or self._new(scope)

    def _learner_of(self, tenant: str, workspace_name: str) -> workspace.LearnerOf:
        return lambda domain: self.learner(Scope(tenant, workspace_name, domain))

    async def _known(self, scope: Scope) -> None:
        if scope.domain in self.configured:
            return
        if scope.domain not in await self._store.domains(scope.tenant, scope.workspace):
            raise UnknownDomain(scope.domain)

    def _forsake(self, learner: Learner, ask: Ask, mark: str) -> None:
        # The release may come late. By then the id may have been asked again, and must not be closed under the app.
        if learner.mark == mark:
            learner.renew_mark()
        task = asyncio.create_task(self._release_quietly(learner, ask.decision_id, mark))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release_quietly(self, learner: Learner, decision_id: str, mark: str) -> None:
        try:
            await self._run(flows.release(learner, decision_id, mark))
        except StoreError:
            _log.debug("decision %s could not be released; if it was recorded, it expires", decision_id)


def _moment(within_s: float | None) -> float:
    """When to give up, by the loop's clock."""
    return math.inf if within_s is None else asyncio.get_running_loop().time() + within_s


def configured_domains(configuration: Configuration) -> frozenset[str]:
    """Domains that exist without anybody having used them."""
    return frozenset({*WIRED_DOMAINS, *configuration.domains})
