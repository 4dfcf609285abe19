"""The service `learning.v1.Learning`: each method turns messages into a call of the engine and back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import grpc

from sidecar import __version__
from sidecar.api import messages, status_messages
from sidecar.api.batches import results
from sidecar.engine.flows import Settled
from sidecar.engine.gating import ModeChange
from sidecar.engine.service import LearningService, Told
from sidecar.engine.snapshot import to_json
from sidecar.engine.workspace import RestoreOptions
from sidecar.errors import SidecarError, StoreUnavailable
from sidecar.model.decision import Ask, Decision
from sidecar.model.names import Scope, valid_decision_id
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
    """

    def __init__(
        self,
        service: LearningService,
        configuration: Configuration,
        observers: Sequence[Observer],
        store_timeout_s: float,
    ) -> None:
        """Keep all four."""
        self._service = service
        self._configuration = configuration
        self._observers = observers
        self._store_timeout_s = store_timeout_s

    # The names are the service's. --------------------------------------------------------------

    async def Recommend(self, request: pb.RecommendRequest, context: Context) -> pb.RecommendResponse:  # noqa: N802
        """Choose one of the candidates."""
        started = time.perf_counter()
        ask = messages.ask_from(request)
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

        made = await results(request.requests, pb.RecommendResult, messages.ask_from, decide, answer)
        return pb.RecommendBatchResponse(results=made)

    async def Reward(self, request: pb.RewardRequest, context: Context) -> pb.RewardResponse:  # noqa: N802, ARG002
        """Report what happened."""
        started = time.perf_counter()
        told = messages.report_from(request)
        return self._settled(told, await self._service.reward(told), started)

    async def RewardBatch(  # noqa: N802
        self,
        request: pb.RewardBatchRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.RewardBatchResponse:
        """Report several at once."""
        started = time.perf_counter()

        def answer(told: Told, settled: Settled) -> pb.RewardResponse:
            return self._settled(told, settled, started)

        made = await results(request.requests, pb.RewardResult, messages.report_from, self._service.reward_all, answer)
        return pb.RewardBatchResponse(results=made)

    async def Release(self, request: pb.ReleaseRequest, context: Context) -> pb.ReleaseResponse:  # noqa: N802, ARG002
        """Declare that the act never took place."""
        scope = messages.scope_from(request)
        decision_id = valid_decision_id("decision_id", request.decision_id)
        outcome = await self._service.release(scope, decision_id)
        return pb.ReleaseResponse(outcome=messages.RELEASE_OUTCOMES[outcome])  # type: ignore[arg-type]  # a number

    async def Snapshot(self, request: pb.SnapshotRequest, context: Context) -> pb.SnapshotResponse:  # noqa: N802, ARG002
        """Return what a workspace has learned."""
        tenant, workspace = messages.workspace_from(request)
        taken = await self._service.snapshot(tenant, workspace, list(request.policies))
        return pb.SnapshotResponse(document_json=to_json(taken))

    async def Restore(self, request: pb.RestoreRequest, context: Context) -> pb.RestoreResponse:  # noqa: N802, ARG002
        """Replace what a workspace has learned."""
        tenant, workspace = messages.workspace_from(request)
        options = RestoreOptions(
            frozenset(request.policies),
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
        return await self.status(request)

    async def SetMode(self, request: pb.SetModeRequest, context: Context) -> pb.SetModeResponse:  # noqa: N802, ARG002
        """Set the mode of a domain."""
        scope = messages.scope_from(request)
        mode = messages.mode_from(request.mode)
        settings = messages.settings_from(request)
        change = ModeChange(
            mode,
            request.reason,
            reset_attempts=request.reset_attempts,
            reinstate_checkpoint=request.reinstate_checkpoint,
        )
        done = await self._service.set_mode(scope, change, settings)
        asked = f"{done.before} -> {mode}" + (f" ({request.reason})" if request.reason else "")
        self._observe(Administered(scope, "set_mode", asked))
        return messages.mode_changed_message(done)

    # --------------------------------------------------------------------------------------------

    async def status(self, request: pb.StatusRequest) -> pb.StatusResponse:
        """The answer to Status, for the page too.

        Raises:
            InvalidInput: a name is not allowed.
            UnknownDomain: the named domain is neither configured nor in the store.
            StoreUnavailable: the store is away, and a domain was named.
        """
        tenant, workspace = messages.workspace_from(request)
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
            store=status_messages.store_status(server),
            sidecar_version=__version__,
        )

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
