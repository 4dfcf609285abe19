"""The service `learning.v1.Learning`: each method turns messages into a call of the engine and back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import grpc

from sidecar import __version__
from sidecar.api import messages, status_messages
from sidecar.api.authorization import Access, allow_everything
from sidecar.api.batches import results
from sidecar.engine.flows import Settled
from sidecar.engine.gating import ModeChange
from sidecar.engine.recall import Told
from sidecar.engine.service import LearningService
from sidecar.engine.snapshot import to_json, workspace_of
from sidecar.engine.workspace import RestoreOptions
from sidecar.errors import SidecarError, StoreUnavailable
from sidecar.model.decision import Ask, Decision
from sidecar.model.names import Scope, valid_decision_id, valid_name
from sidecar.model.view import Account, DomainView, WorkspaceView
from sidecar.settings.file import Configuration
from sidecar.telemetry.events import Administered, Decided, Observer, Reported
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningServicer

_DEADLINE_SHARE = 0.8  # of the time that the caller gave, the rest is for the way back

Context = grpc.aio.ServicerContext[Any, Any]


class Servicer(LearningServicer):
    """Answers calls.

    Args:
        service: the engine.
        configuration: for the budgets that Status shows.
        observers: told of every event.
        store_timeout_s: a Recommend waits no longer for the store.
        access: asked before a workspace is used; None where everybody may do everything.
    """

    def __init__(
        self,
        service: LearningService,
        configuration: Configuration,
        observers: Sequence[Observer],
        store_timeout_s: float,
        access: Access | None = None,
    ) -> None:
        """Keep all five."""
        self._service = service
        self._configuration = configuration
        self._observers = observers
        self._store_timeout_s = store_timeout_s
        self._access = access
        self._allow = access.allow if access else allow_everything

    @property
    def asks_for_tokens(self) -> bool:
        """Whether not everybody may ask for everything."""
        return self._access is not None

    # The names are the service's. --------------------------------------------------------------

    async def Recommend(self, request: pb.RecommendRequest, context: Context) -> pb.RecommendResponse:  # noqa: N802
        """Choose one of the candidates."""
        started = time.perf_counter()
        ask = self._ask(request)
        return self._decided(ask, await self._service.recommend(ask, self._within_s(context)), started)

    async def RecommendBatch(  # noqa: N802
        self, request: pb.RecommendBatchRequest, context: Context
    ) -> pb.RecommendBatchResponse:
        """Choose for several requests at once."""
        started = time.perf_counter()

        async def decide(asks: list[Ask]) -> list[Decision | SidecarError]:
            return await self._service.recommend_all(asks, self._within_s(context))

        def answer(ask: Ask, decision: Decision) -> pb.RecommendResponse:
            return self._decided(ask, decision, started)

        made = await results(request.requests, pb.RecommendResult, self._ask, decide, answer)
        return pb.RecommendBatchResponse(results=made)

    async def Reward(self, request: pb.RewardRequest, context: Context) -> pb.RewardResponse:  # noqa: N802
        """Report what happened."""
        started = time.perf_counter()
        told = self._told(request)
        return self._settled(told, await self._service.reward(told, self._within_s(context)), started)

    async def RewardBatch(  # noqa: N802
        self, request: pb.RewardBatchRequest, context: Context
    ) -> pb.RewardBatchResponse:
        """Report several at once."""
        started = time.perf_counter()

        async def report(told: list[Told]) -> list[Settled | SidecarError]:
            return await self._service.reward_all(told, self._within_s(context))

        def answer(told: Told, settled: Settled) -> pb.RewardResponse:
            return self._settled(told, settled, started)

        made = await results(request.requests, pb.RewardResult, self._told, report, answer)
        return pb.RewardBatchResponse(results=made)

    async def Release(self, request: pb.ReleaseRequest, context: Context) -> pb.ReleaseResponse:  # noqa: N802
        """Declare that the act never took place."""
        scope = messages.scope_from(request)
        self._allow(scope.tenant, scope.workspace)
        decision_id = valid_decision_id("decision_id", request.decision_id)
        outcome = await self._service.release(scope, decision_id, self._within_s(context))
        return pb.ReleaseResponse(outcome=messages.RELEASE_OUTCOMES[outcome])  # type: ignore[arg-type]  # a number

    async def Snapshot(self, request: pb.SnapshotRequest, context: Context) -> pb.SnapshotResponse:  # noqa: N802, ARG002
        """Return what a workspace has learned."""
        tenant, workspace = messages.workspace_from(request)
        self._allow(tenant, workspace)
        taken = await self._service.snapshot(tenant, workspace, messages.selection_from(request))
        return pb.SnapshotResponse(document_json=to_json(taken))

    async def Restore(self, request: pb.RestoreRequest, context: Context) -> pb.RestoreResponse:  # noqa: N802, ARG002
        """Replace what a workspace has learned."""
        tenant, workspace = messages.workspace_from(request)
        self._allow(tenant, workspace)
        if self._access is not None:
            self._allow(*workspace_of(request.document_json))
        options = RestoreOptions(
            frozenset(messages.selection_from(request)),
            dry_run=request.dry_run,
            reseed=request.reseed,
            create_unknown=request.create_unknown_domains,
        )
        done = await self._service.restore(tenant, workspace, request.document_json, options)
        if not request.dry_run:
            for one in done:
                self._observe(Administered(Scope(tenant, workspace, one.domain), "restore", str(one.action)))
        return messages.restore_message(done, dry_run=request.dry_run)

    async def Status(self, request: pb.StatusRequest, context: Context) -> pb.StatusResponse:  # noqa: N802, ARG002
        """Report how a workspace is doing."""
        self._allow(*messages.workspace_from(request))
        return await self.status(request)

    async def SetMode(self, request: pb.SetModeRequest, context: Context) -> pb.SetModeResponse:  # noqa: N802, ARG002
        """Set the mode of a domain."""
        scope = messages.scope_from(request)
        self._allow(scope.tenant, scope.workspace)
        mode = messages.mode_from(request.mode)
        settings = messages.settings_from(request)
        change = ModeChange(
            mode,
            messages.reason_from(request),
            reset_attempts=request.reset_attempts,
            reinstate_checkpoint=request.reinstate_checkpoint,
        )
        done = await self._service.set_mode(scope, change, settings)
        asked = f"{done.before} -> {mode}" + (f" ({change.reason})" if change.reason else "")
        self._observe(Administered(scope, "set_mode", asked))
        return messages.mode_changed_message(done)

    # --------------------------------------------------------------------------------------------

    async def status(self, request: pb.StatusRequest) -> pb.StatusResponse:
        """The answer to Status, for the page too, which nobody asks for a token.

        Raises:
            InvalidInput: a name is not allowed.
            UnknownDomain: the named domain is neither configured nor in the store.
            StoreUnavailable: the store is away, and a domain was named.
        """
        tenant, workspace = messages.workspace_from(request)
        if request.domain:
            valid_name("domain", request.domain)
        try:
            view = await self._service.status(tenant, workspace, request.domain)
            server = await self._service.server()
        except StoreUnavailable:
            if request.domain:
                raise
            view, server = WorkspaceView(), ""
        names = [request.domain] if request.domain else sorted(view.domains)
        return pb.StatusResponse(
            domains=[self._domain_status(Scope(tenant, workspace, name), view) for name in names],
            budget=status_messages.budget_status(
                "workspace",
                self._configuration.workspace_budget(tenant, workspace),
                view.accounts.get("workspace", Account()),
                max((one.now_ms for one in view.domains.values()), default=0),
            ),
            store=status_messages.store_status(
                server,
                self._service.store_breaker,
                self._service.continuity.loss(tenant, workspace),
                self._service.spooled,
            ),
            sidecar_version=__version__,
        )

    def _ask(self, request: pb.RecommendRequest) -> Ask:
        ask = messages.ask_from(request)
        self._allow(ask.scope.tenant, ask.scope.workspace)
        return ask

    def _told(self, request: pb.RewardRequest) -> Told:
        told = messages.report_from(request)
        self._allow(told.scope.tenant, told.scope.workspace)
        return told

    def _decided(self, ask: Ask, decision: Decision, started: float) -> pb.RecommendResponse:
        self._observe(Decided(ask.scope, decision, time.perf_counter() - started))
        return messages.decision_message(decision)

    def _settled(self, told: Told, settled: Settled, started: float) -> pb.RewardResponse:
        reward = settled.result.reward if settled.result else None
        took = time.perf_counter() - started
        self._observe(Reported(told.scope, told.decision_id, settled.outcome, reward, took))
        return messages.settled_message(settled)

    def _domain_status(self, scope: Scope, view: WorkspaceView) -> pb.DomainStatus:
        learner, mode = self._service.learner(scope), self._service.mode(scope)
        account = view.accounts.get(f"domain/{scope.domain}", Account())
        return status_messages.domain_status(learner, mode, view.domains.get(scope.domain, DomainView()), account)

    def _within_s(self, context: Context) -> float:
        remaining = context.time_remaining()
        return self._store_timeout_s if remaining is None else min(self._store_timeout_s, remaining * _DEADLINE_SHARE)

    def _observe(self, event: Decided | Reported | Administered) -> None:
        for observer in self._observers:
            observer(event)
