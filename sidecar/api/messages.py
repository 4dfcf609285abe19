"""Between messages and the model: names, units and enums. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from msgspec import structs

from sidecar.engine.flows import ReleaseOutcome, RewardOutcome, Settled
from sidecar.engine.gating import ModeChanged
from sidecar.engine.recall import Told
from sidecar.engine.workspace import DomainRestore, RestoreAction
from sidecar.errors import InvalidInput
from sidecar.features.context import numeric_context
from sidecar.model.decision import (
    CANDIDATES_MAX,
    REWARD_DEADLINE_MS_MAX,
    Ask,
    Candidate,
    Decision,
    Shield,
    ShieldEffect,
    Source,
)
from sidecar.model.ids import fresh_id
from sidecar.model.mode import Mode
from sidecar.model.names import Scope, valid_decision_id, valid_name, valid_scope
from sidecar.model.signals import Signals
from sidecar.model.units import COST_USD_MAX, LATENCY_MS_MAX, bounded, nano_usd_ceiling, usd
from sidecar.v1 import learning_pb2 as pb

E = TypeVar("E", bound=StrEnum)


def _numbers(enum: type[E], prefix: str) -> dict[E, int]:
    """The message's number for each member: `Mode.SHADOW` is MODE_SHADOW."""
    return {member: getattr(pb, f"{prefix}_{member.name}") for member in enum}


MODES = _numbers(Mode, "MODE")
SOURCES = _numbers(Source, "SOURCE")
SHIELDS = _numbers(Shield, "SHIELD")
SHIELD_EFFECTS = _numbers(ShieldEffect, "SHIELD_EFFECT")
REWARD_OUTCOMES = _numbers(RewardOutcome, "REWARD_OUTCOME")
RELEASE_OUTCOMES = _numbers(ReleaseOutcome, "RELEASE_OUTCOME")
RESTORE_ACTIONS = _numbers(RestoreAction, "RESTORE_ACTION")

SELECTION_MAX = 1_000
SETTINGS_BYTES_MAX = 65_536
_EXACT_MAX = 2.0**53  # beyond it a double is whole, but perhaps not what was written

# --- requests


def workspace_from(request: Any) -> tuple[str, str]:  # noqa: ANN401 - any request that names a workspace
    """Tenant and workspace, with the defaults filled in.

    Raises:
        InvalidInput: names the field.
    """
    return (
        valid_name("tenant", request.tenant or "default"),
        valid_name("workspace", request.workspace or "main"),
    )


def scope_from(request: Any) -> Scope:  # noqa: ANN401 - any request that names a domain
    """The scope, with the defaults filled in.

    Raises:
        InvalidInput: names the field.
    """
    return valid_scope(request.tenant, request.workspace, request.domain)


def ask_from(request: pb.RecommendRequest) -> Ask:
    """A validated request for a decision; an id is made when there is none.

    Apps ask the same again and again: what is alike was validated once. The request is used up.

    Raises:
        InvalidInput: names the field.
    """
    given_id = request.decision_id
    context = numeric_context(request.context) if request.context else {}
    request.ClearField("decision_id")
    request.ClearField("context")
    alike = request.SerializeToString()
    ask = _ASKED.get(alike) or _remembered(alike, _validated(request))
    return structs.replace(
        ask,
        decision_id=valid_decision_id("decision_id", given_id) if given_id else fresh_id(),
        context=context,
        repeatable=bool(given_id),
    )


_ASKED: dict[bytes, Ask] = {}
_ASKED_BYTES_MAX = 4096
_ASKED_MOST = 256


def _remembered(alike: bytes, ask: Ask) -> Ask:
    """Keep some short ones: callers must not be able to fill the memory."""
    if len(alike) <= _ASKED_BYTES_MAX:
        if len(_ASKED) >= _ASKED_MOST:
            _ASKED.clear()
        _ASKED[alike] = ask
    return ask


def _validated(request: pb.RecommendRequest) -> Ask:
    scope = scope_from(request)
    if len(request.candidates) > CANDIDATES_MAX:
        raise InvalidInput("candidates", len(request.candidates), f"1 to {CANDIDATES_MAX} candidates")
    max_latency_us = None
    if request.HasField("max_latency_ms"):
        waits = bounded("max_latency_ms", request.max_latency_ms, 0.001, LATENCY_MS_MAX)
        max_latency_us = round(waits * 1000)
    deadline_ms = None
    if request.HasField("reward_deadline_ms"):
        deadline_ms = int(bounded("reward_deadline_ms", request.reward_deadline_ms, 1, REWARD_DEADLINE_MS_MAX))
    return Ask(
        scope=scope,
        decision_id="",
        candidates=tuple(_candidate(at, one) for at, one in enumerate(request.candidates)),
        max_latency_us=max_latency_us,
        reward_deadline_ms=deadline_ms,
        strict=request.strict,
    )


def _candidate(at: int, one: pb.Candidate) -> Candidate:
    arm = valid_name(f"candidates[{at}].arm", one.arm)
    if not one.HasField("cost_ceiling_usd"):
        return Candidate(arm)
    ceiling = bounded(f"candidates[{at}].cost_ceiling_usd", one.cost_ceiling_usd, 0.0, COST_USD_MAX)
    return Candidate(arm, nano_usd_ceiling(ceiling))


def report_from(request: pb.RewardRequest) -> Told:
    """A validated report.

    Raises:
        InvalidInput: names the field.
    """
    return Told(
        scope_from(request),
        valid_decision_id("decision_id", request.decision_id),
        signals_from(request.signals),
        final=not request.more_to_come,
    )


def signals_from(signals: pb.Signals) -> Signals:
    """The signals that are set."""
    return Signals(**{descriptor.name: value for descriptor, value in signals.ListFields()})


def mode_from(number: int) -> Mode:
    """The mode with that number.

    Raises:
        InvalidInput: it is none.
    """
    for mode, known in MODES.items():
        if known == number:
            return mode
    raise InvalidInput("mode", number, " or ".join(f"MODE_{mode.name}" for mode in MODES))


def reason_from(request: pb.SetModeRequest) -> str:
    """Why a mode is set: one line, for it is written to logs. The engine bounds its length.

    Raises:
        InvalidInput: it has a character that cannot be printed.
    """
    reason: str = request.reason
    if not reason.isprintable():
        raise InvalidInput("reason", reason, "printable characters on one line")
    return reason


def selection_from(request: Any) -> list[str]:  # noqa: ANN401 - any request that selects policies or domains
    """The names that a snapshot or a restore is narrowed to.

    Raises:
        InvalidInput: there are too many, or one is not allowed.
    """
    if len(request.policies) > SELECTION_MAX:
        raise InvalidInput("policies", len(request.policies), f"at most {SELECTION_MAX} names")
    return [valid_name("policies", name) for name in request.policies]


def settings_from(request: pb.SetModeRequest) -> Mapping[str, Any] | None:
    """The settings to lay over, whole numbers as integers; None when absent.

    Raises:
        InvalidInput: they are too large, as every sidecar reads them again and again, or have a number that is none.
    """
    if not request.HasField("settings"):
        return None
    if request.settings.ByteSize() > SETTINGS_BYTES_MAX:
        raise InvalidInput("settings", f"{request.settings.ByteSize()} bytes", f"at most {SETTINGS_BYTES_MAX} bytes")
    from google.protobuf import json_format  # noqa: PLC0415 - 2 MB that only operators need

    try:
        plain: dict[str, Any] = json_format.MessageToDict(request.settings)
    except (json_format.Error, ValueError) as error:
        raise InvalidInput("settings", str(error), "finite numbers, texts, booleans, lists and tables") from error
    whole: dict[str, Any] = _whole_numbers(plain)
    return whole


def _whole_numbers(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A Struct knows only doubles; `16.0` is to be `16` again."""
    if isinstance(value, dict):
        return {key: _whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(one) for one in value]
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_MAX
    return int(value) if exact else value


# --- responses


def decision_message(decision: Decision) -> pb.RecommendResponse:
    """A decision as the answer to Recommend. Many differ in id and expiry alone: the rest was written once."""
    decision_id, *alike, expires_at_unix_ms, _mark = structs.astuple(decision)
    message = pb.RecommendResponse()
    message.CopyFrom(_alike(*alike))
    if decision.source is not Source.DEGRADED:
        message.decision_id = decision_id
    message.expires_at_unix_ms = expires_at_unix_ms
    return message


@lru_cache(maxsize=256)
def _alike(*fields: Any) -> pb.RecommendResponse:  # noqa: ANN401 - those of a decision, but for the first and the last
    """The answer, without id and expiry."""
    decision = Decision("", *fields)
    return pb.RecommendResponse(
        arm=decision.arm,
        outcome=pb.RECOMMEND_OUTCOME_REFUSED if decision.refused else pb.RECOMMEND_OUTCOME_CHOSEN,
        propensity=decision.propensity,
        baseline=decision.baseline,
        proposal=decision.proposal,
        mode=MODES[decision.mode],  # type: ignore[arg-type]  # an enum's number
        source=SOURCES[decision.source],  # type: ignore[arg-type]  # an enum's number
        shields=[
            pb.ShieldAction(
                shield=SHIELDS[action.shield],  # type: ignore[arg-type]  # an enum's number
                effect=SHIELD_EFFECTS[action.effect],  # type: ignore[arg-type]  # an enum's number
                arm=action.arm,
            )
            for action in decision.shields
        ],
        degraded=decision.source is Source.DEGRADED,
        policy=decision.policy,
        statistics_version=decision.statistics_version,
        reserved_usd=usd(decision.reserved_nano),
        sampled=decision.sampled,
    )


def settled_message(settled: Settled) -> pb.RewardResponse:
    """What became of a report."""
    result = settled.result
    message = pb.RewardResponse(
        outcome=REWARD_OUTCOMES[settled.outcome],  # type: ignore[arg-type]  # an enum's number
        arm=settled.arm,
        missing=result.missing if result else (),
        breakdown=[
            pb.Contribution(signal=one.signal, value=one.value, normalized=one.normalized, weight=one.weight)
            for one in (result.breakdown if result else ())
        ],
    )
    if result is not None:
        message.reward = result.reward
    return message


def mode_changed_message(done: ModeChanged) -> pb.SetModeResponse:
    """What a change of mode did."""
    return pb.SetModeResponse(
        mode=MODES[done.now],  # type: ignore[arg-type]  # an enum's number
        previous_mode=MODES[done.before],  # type: ignore[arg-type]  # an enum's number
        revision=done.revision,
        checkpoint_reinstated=done.reinstated,
    )


def restore_message(done: list[DomainRestore], *, dry_run: bool) -> pb.RestoreResponse:
    """What a restore did."""
    return pb.RestoreResponse(
        dry_run=dry_run,
        domains=[
            pb.DomainRestore(
                domain=one.domain,
                action=RESTORE_ACTIONS[one.action],  # type: ignore[arg-type]  # an enum's number
                message=one.message,
                differences=one.differences,
            )
            for one in done
        ],
    )
