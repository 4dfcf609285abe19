"""The engine inside the app's own process: the same policies and snapshots, without gRPC and without Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from sidecar.clock import Clock, SystemClock
from sidecar.engine import flows, workspace
from sidecar.engine.flow import run
from sidecar.engine.learner import Learner
from sidecar.engine.snapshot import Snapshot, from_json, to_json
from sidecar.errors import InvalidInput, UnknownDomain
from sidecar.features.context import numeric_context
from sidecar.model.decision import Ask, Candidate, Decision
from sidecar.model.ids import fresh_id
from sidecar.model.mode import Mode
from sidecar.model.names import valid_name, valid_scope
from sidecar.model.signals import Signals
from sidecar.model.view import WorkspaceView
from sidecar.policies.base import Policy
from sidecar.policies.registry import PolicyRegistry
from sidecar.settings.domain import DomainSettings
from sidecar.settings.file import Configuration
from sidecar.store.memory_store import MemoryStore

T = TypeVar("T")


class Recommendation(str):
    """The arm to execute: a plain string that also knows its `decision`."""

    __slots__ = ("decision",)
    decision: Decision

    def __new__(cls, decision: Decision) -> Recommendation:
        """The arm of `decision`."""
        arm = super().__new__(cls, decision.arm)
        arm.decision = decision
        return arm


class LearningEngine:
    """Recommends, learns, and remembers for as long as the process lives.

    Args:
        registry: the policies, by domain; `register_domain` adds to it.
        clock: tells the time.

    >>> import random
    >>> from sidecar.engine.in_process import LearningEngine
    >>> from sidecar.policies.registry import PolicyRegistry
    >>> from sidecar.policies.thompson import ThompsonSamplingBandit
    >>> engine = LearningEngine(PolicyRegistry())
    >>> engine.register_domain("route", ThompsonSamplingBandit(rng=random.Random(7)), mode="ungated")
    >>> for _ in range(200):
    ...     arm = engine.recommend("route", {}, ["small", "large"])
    ...     _ = engine.reward("route", arm, reward=0.9 if arm == "large" else 0.4)
    >>> engine.status().domains["route"].arms["large"].count > 150
    True
    """

    def __init__(self, registry: PolicyRegistry, *, clock: Clock | None = None) -> None:
        """Start with what the registry has."""
        self._registry = registry
        self._clock = clock or SystemClock()
        self._store = MemoryStore(self._clock)
        self._learners: dict[str, Learner] = {}
        for domain in registry.domains():
            self._learn(domain, Configuration(), registry.get(domain))

    def register_domain(
        self, domain: str, policy: Policy, *, mode: str = Mode.GATED, settings: DomainSettings | None = None
    ) -> None:
        """Add a kind of decision.

        Args:
            domain: its name.
            policy: what learns; it is also registered in the registry.
            mode: `gated` (the first candidate at first, the policy's as far as evidence allows), `shadow` (the first
                candidate), `ungated` (the policy's), `off`.
            settings: everything else that can be declared; its own mode is overridden by `mode`. By default
                each reward counts from the next choice on.

        Raises:
            InvalidInput: the name or the mode is not allowed.
        """
        valid_name("domain", domain)
        if mode in (Mode.CANARY, Mode.LIVE) or mode not in tuple(Mode):
            raise InvalidInput("mode", mode, "gated, shadow, ungated or off")
        self._registry.register(domain, policy)
        declared = msgspec.structs.replace(settings or DomainSettings(posterior_refresh_ms=0), mode=Mode(mode))
        configuration = Configuration()
        configuration.domains[domain] = declared
        self._learn(domain, configuration, policy)

    def recommend(self, domain: str, context: Mapping[str, float], candidates: Sequence[str]) -> Recommendation:
        """Choose one of the candidates; the first is the baseline.

        Raises:
            UnknownDomain: it was not registered.
            InvalidInput: names the value that is not allowed.
        """
        ask = Ask(
            scope=self._learner(domain).scope,
            decision_id=fresh_id(),
            candidates=tuple(Candidate(valid_name(f"candidates[{i}]", arm)) for i, arm in enumerate(candidates)),
            context=numeric_context(context),
        )
        return Recommendation(run(flows.recommend(self._learner(domain), ask), self._store))

    def reward(
        self, domain: str, recommendation: Recommendation | str, *, more_to_come: bool = False, **signals: float
    ) -> flows.Settled:
        """Report what happened after a recommendation, once.

        Args:
            domain: as recommended.
            recommendation: what `recommend` returned, or its decision's id.
            more_to_come: keep these signals and leave the decision open.
            **signals: `reward`, `quality`, `groundedness`, `safety`, `cost_usd`, `latency_ms`.

        Raises:
            UnknownDomain: it was not registered.
            InvalidInput: names the signal that is not allowed.
        """
        if isinstance(recommendation, Recommendation):
            decision_id = recommendation.decision.decision_id
        else:
            decision_id = recommendation
        flow = flows.reward(self._learner(domain), decision_id, Signals(**signals), final=not more_to_come)
        return run(flow, self._store)

    def learn(
        self,
        domain: str,
        context: Mapping[str, float],
        candidates: Sequence[str],
        act: Callable[[str], tuple[T, Mapping[str, float]]],
    ) -> T:
        """Recommend, act, and report, in one call; the act is timed.

        Args:
            domain: the kind of decision.
            context: features of the request.
            candidates: the options, the baseline first.
            act: given the arm, returns the result and the signals to report. If it raises, the decision is
                released and the error goes on to the caller.
        """
        arm = self.recommend(domain, context, candidates)
        started = time.perf_counter()
        try:
            result, signals = act(arm)
        except BaseException:
            self.release(domain, arm)
            raise
        took_ms = (time.perf_counter() - started) * 1000
        self.reward(domain, arm, more_to_come=False, **{"latency_ms": took_ms, **signals})
        return result

    def release(self, domain: str, recommendation: Recommendation) -> flows.ReleaseOutcome:
        """Declare that the act never took place."""
        learner = self._learner(domain)
        return run(flows.release(learner, recommendation.decision.decision_id), self._store)

    def status(self) -> WorkspaceView:
        """Everything that is known, by domain."""
        scope = valid_scope("", "", "any")
        return run(
            workspace.read(scope.tenant, scope.workspace, self._learner, self._learners.__contains__), self._store
        )

    def snapshot(self, policies: Sequence[str] = ()) -> dict[str, Any]:
        """What was learned, as plain JSON values in the same format as the server's."""
        scope = valid_scope("", "", "any")
        flow = workspace.take_snapshot(
            scope.tenant,
            scope.workspace,
            self._learner,
            self._learners.__contains__,
            self._learners,
            policies,
            self._clock.unix_ms(),
        )
        taken: Snapshot = run(flow, self._store)
        plain: dict[str, Any] = msgspec.json.decode(to_json(taken))
        return plain

    def restore(
        self, snapshot: Mapping[str, Any], *, reseed: bool = False, dry_run: bool = False, policies: Sequence[str] = ()
    ) -> list[workspace.DomainRestore]:
        """Continue from a snapshot. Domains that are not registered are ignored, others keep what they have.

        Raises:
            InvalidInput: the snapshot holds a value that cannot be; nothing was changed.
        """
        document = from_json(msgspec.json.encode(snapshot).decode())
        scope = valid_scope("", "", "any")
        options = workspace.RestoreOptions(frozenset(policies), dry_run=dry_run, reseed=reseed)
        flow = workspace.restore(scope.tenant, scope.workspace, self._learner, self._learners.keys(), document, options)
        return run(flow, self._store)

    def _learn(self, domain: str, configuration: Configuration, policy: Policy) -> None:
        self._learners[domain] = Learner(valid_scope("", "", domain), configuration, self._clock, policy)

    def _learner(self, domain: str) -> Learner:
        try:
            return self._learners[domain]
        except KeyError:
            raise UnknownDomain(domain) from None
