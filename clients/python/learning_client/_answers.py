"""Interprets what came back: an answer, or the lack of one. Nothing here raises, and nothing here does I/O."""

from __future__ import annotations

from google.protobuf.message import Message

from learning_client._calls import Failure
from learning_client._decision import Decision, ShieldAction
from learning_client._log import SparseLog
from learning_client._observations import Observations
from learning_client._results import Contribution, ReleaseResult, RewardResult
from learning_client._terms import (
    MODES,
    RELEASE_OUTCOMES,
    REWARD_OUTCOMES,
    SHIELD_EFFECTS,
    SHIELDS,
    SOURCES,
    ReleaseOutcome,
    RewardOutcome,
    Source,
)
from learning_client.v1 import learning_pb2 as pb

_NOT_COUNTED = (RewardOutcome.LATE, RewardOutcome.UNKNOWN)


def decision(request: pb.RecommendRequest, reply: Message | Failure, log: SparseLog) -> Decision:
    """Read the answer to Recommend; without a usable one, fall back to the first candidate."""
    if not isinstance(reply, pb.RecommendResponse):
        return _fallback(request, _failure(reply), log)
    candidates = [candidate.arm for candidate in request.candidates]
    refused = reply.outcome == pb.RECOMMEND_OUTCOME_REFUSED
    if not refused and reply.arm not in candidates:
        return _fallback(request, Failure("BAD_ANSWER", f"{reply.arm!r} is not one of the candidates"), log)
    return Decision(
        domain=request.domain,
        decision_id=request.decision_id,
        arm=candidates[0] if refused else reply.arm,
        baseline=candidates[0],
        source=SOURCES[reply.source],
        propensity=reply.propensity,
        mode=MODES[reply.mode],
        proposal=reply.proposal,
        shields=tuple(
            ShieldAction(SHIELDS[action.shield], SHIELD_EFFECTS[action.effect], action.arm) for action in reply.shields
        ),
        refused=refused,
        degraded=reply.degraded,
        policy=reply.policy,
        statistics_version=reply.statistics_version,
        reserved_usd=reply.reserved_usd,
        expires_at_unix_ms=reply.expires_at_unix_ms,
        observations=Observations(log),
    )


def _fallback(request: pb.RecommendRequest, failure: Failure, log: SparseLog) -> Decision:
    baseline = request.candidates[0].arm
    log.note("fallback", "no decision for %s, so the first candidate %s is used: %s", request.domain, baseline, failure)
    return Decision(
        domain=request.domain,
        decision_id=request.decision_id,
        arm=baseline,
        baseline=baseline,
        source=Source.FALLBACK,
        degraded=True,
        observations=Observations(log),
        answer_missed=failure.answer_missed,
    )


def reward(request: pb.RewardRequest, reply: Message | Failure, log: SparseLog) -> RewardResult:
    """Read the answer to Reward; say in the log when the reward does not count."""
    if not isinstance(reply, pb.RewardResponse):
        failure = _failure(reply)
        log.note("unsent", "the reward of decision %s (%s) is lost: %s", request.decision_id, request.domain, failure)
        return RewardResult(RewardOutcome.UNSENT, reason=str(failure))
    outcome = REWARD_OUTCOMES[reply.outcome]
    if outcome in _NOT_COUNTED:
        log.note("uncounted", "the reward of decision %s (%s) came %s", request.decision_id, request.domain, outcome)
    return RewardResult(
        outcome=outcome,
        reward=reply.reward if reply.HasField("reward") else None,
        arm=reply.arm,
        breakdown=tuple(
            Contribution(part.signal, part.value, part.normalized, part.weight) for part in reply.breakdown
        ),
        missing=tuple(reply.missing),
    )


def release(request: pb.ReleaseRequest, reply: Message | Failure, log: SparseLog) -> ReleaseResult:
    """Read the answer to Release."""
    if not isinstance(reply, pb.ReleaseResponse):
        failure = _failure(reply)
        log.note("unsent", "decision %s (%s) was not released: %s", request.decision_id, request.domain, failure)
        return ReleaseResult(ReleaseOutcome.UNSENT, reason=str(failure))
    return ReleaseResult(RELEASE_OUTCOMES[reply.outcome])


def _failure(reply: Message | Failure) -> Failure:
    return reply if isinstance(reply, Failure) else Failure("BAD_ANSWER", type(reply).__name__)
