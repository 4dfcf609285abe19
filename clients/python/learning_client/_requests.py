"""Builds the messages that are sent, and draws the line between a mistake in the program and bad data.

Names are the program's: a wrong one raises at once, before anything is sent. Numbers are the data's: one that
cannot be sent is logged and left out, because a NaN in a feature must not take the app down.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import TypedDict

from learning_client._log import SparseLog
from learning_client._signals import number
from learning_client.v1 import learning_pb2 as pb

NAME_LENGTH_MAX = 128
CANDIDATES_MAX = 1_000
FEATURES_MAX = 64
FEATURE_MAX = 1e12
COST_USD_MAX = 1e6
REWARD_DEADLINE_MS_MAX = 604_800_000
# What is sent for a max_latency_ms of 0 or less: the time is already up, so only the fastest arm will do.
NO_TIME_LEFT_MS = 0.001
# And for one above a day, which is as good as none.
MAX_LATENCY_MS_MAX = 86_400_000.0


class DecisionOptions(TypedDict, total=False):
    """What may be said about one decision; all optional."""

    context: Mapping[str, float] | None
    """Numeric features of the request, at most 64, each within ±1e12. Others are logged and left out."""
    cost_ceilings_usd: Mapping[str, float] | None
    """The most that executing an arm can cost, in US dollars, 0 to 1,000,000, by arm. It is reserved from the
    budgets until the reward tells the actual cost. Arms that are not candidates are ignored."""
    max_latency_ms: float | None
    """How long the act may take, in milliseconds; 0 or less asks for the fastest arm. None: the domain's limit."""
    reward_deadline_ms: int | None
    """How long the sidecar waits for the reward, 1 to 604,800,000 ms (7 days). None: the domain's deadline."""
    decision_id: str | None
    """1 to 128 printable ASCII characters without spaces; asking again with the same id gives the same answer.
    None: the client makes one."""


def name(what: str, value: object) -> str:
    """Return `value`, a name as the API wants it: 1 to 128 printable characters, not only spaces.

    Raises:
        TypeError: It is not a string.
        ValueError: It is empty, too long, or has characters that do not print.
    """
    if not isinstance(value, str):
        message = f"{what} must be a string, not {type(value).__name__}"
        raise TypeError(message)
    if not _is_name(value):
        message = f"{what} must have 1 to {NAME_LENGTH_MAX} printable characters, not only spaces, got {value[:200]!r}"
        raise ValueError(message)
    return value


def _is_name(value: str) -> bool:
    return 1 <= len(value) <= NAME_LENGTH_MAX and value.isprintable() and not value.isspace()


def identity(value: object) -> str:
    """Return `value`, a decision id: 1 to 128 printable ASCII characters without spaces.

    Raises:
        TypeError: It is not a string.
        ValueError: It is not such an id.
    """
    checked = name("decision_id", value)
    if not checked.isascii() or " " in checked:
        message = f"decision_id must have printable ASCII characters without spaces, got {checked!r}"
        raise ValueError(message)
    return checked


def arms(candidates: object) -> list[str]:
    """Return the candidates, the baseline first.

    Raises:
        TypeError: `candidates` is not a sequence, or an arm is not a string.
        ValueError: There is none, there are more than 1,000, one is there twice, or one is not a name.
    """
    # A string is a sequence of strings too: one arm passed without its brackets would become its letters.
    if isinstance(candidates, (str, bytes)) or not isinstance(candidates, Sequence):
        message = f"candidates must be a list or tuple of arms, not {type(candidates).__name__}"
        raise TypeError(message)
    if not 1 <= len(candidates) <= CANDIDATES_MAX:
        message = f"candidates must have 1 to {CANDIDATES_MAX} arms, got {len(candidates)}"
        raise ValueError(message)
    checked = [name("arm", arm) for arm in candidates]
    if len(set(checked)) != len(checked):
        message = f"candidates must have each arm once, got {checked!r}"
        raise ValueError(message)
    return checked


class RequestBuilder:
    """Builds requests for one workspace."""

    def __init__(self, tenant: str, workspace: str, log: SparseLog) -> None:
        """Keep whose requests these are; raises TypeError or ValueError when one is not a name."""
        self._tenant = name("tenant", tenant)
        self._workspace = name("workspace", workspace)
        self._log = log

    def recommend(
        self,
        domain: str,
        candidates: Sequence[str],
        *,
        context: Mapping[str, float] | None = None,
        cost_ceilings_usd: Mapping[str, float] | None = None,
        max_latency_ms: float | None = None,
        reward_deadline_ms: int | None = None,
        decision_id: str | None = None,
    ) -> pb.RecommendRequest:
        """Ask for one decision; see `DecisionOptions` for the arguments.

        The id is always made here, never by the sidecar: a request that is retried is then answered once.
        """
        request = pb.RecommendRequest(
            tenant=self._tenant,
            workspace=self._workspace,
            domain=name("domain", domain),
            decision_id=uuid.uuid4().hex if decision_id is None else identity(decision_id),
            candidates=[pb.Candidate(arm=arm) for arm in arms(candidates)],
            context=self._features(context or {}),
        )
        self._add_ceilings(request, cost_ceilings_usd or {})
        if max_latency_ms is not None:
            wait_ms = self._usable("max_latency_ms", max_latency_ms)
            if wait_ms is not None:
                request.max_latency_ms = min(max(wait_ms, NO_TIME_LEFT_MS), MAX_LATENCY_MS_MAX)
        if reward_deadline_ms is not None:
            deadline_ms = self._usable("reward_deadline_ms", reward_deadline_ms, 1, REWARD_DEADLINE_MS_MAX)
            if deadline_ms is not None:
                request.reward_deadline_ms = int(deadline_ms)
        return request

    def reward(
        self, domain: str, decision_id: str, signals: Mapping[str, float], *, more_to_come: bool
    ) -> pb.RewardRequest:
        """Report usable signals, as `Observations.values` gives them."""
        return pb.RewardRequest(
            tenant=self._tenant,
            workspace=self._workspace,
            domain=domain,
            decision_id=decision_id,
            signals=pb.Signals(**signals),
            more_to_come=more_to_come,
        )

    def release(self, domain: str, decision_id: str) -> pb.ReleaseRequest:
        """Declare that the act never took place."""
        return pb.ReleaseRequest(tenant=self._tenant, workspace=self._workspace, domain=domain, decision_id=decision_id)

    def _features(self, context: Mapping[str, float]) -> dict[str, float]:
        features: dict[str, float] = {}
        for feature, value in context.items():
            if len(features) == FEATURES_MAX:
                self._log.note("feature", "a context has %d features; only %d were sent", len(context), FEATURES_MAX)
                break
            usable = self._usable(f"context[{feature!r}]", value, -FEATURE_MAX, FEATURE_MAX)
            if usable is None:
                continue
            if isinstance(feature, str) and _is_name(feature):
                features[feature] = usable
            else:
                self._log.note("feature", "left out the feature %.100r: that is no name", feature)
        return features

    def _add_ceilings(self, request: pb.RecommendRequest, ceilings_usd: Mapping[str, float]) -> None:
        for candidate in request.candidates:
            ceiling_usd = ceilings_usd.get(candidate.arm)
            if ceiling_usd is not None:
                usable = self._usable(f"cost_ceilings_usd[{candidate.arm!r}]", ceiling_usd, 0, COST_USD_MAX)
                if usable is not None:
                    candidate.cost_ceiling_usd = usable

    def _usable(self, what: str, value: object, low: float = -math.inf, high: float = math.inf) -> float | None:
        usable = number(value, low, high)
        if usable is None:
            self._log.note("number", "left out %s=%.100r: it is not finite or out of range", what, value)
        return usable
