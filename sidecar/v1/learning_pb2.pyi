from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_OFF: _ClassVar[Mode]
    MODE_SHADOW: _ClassVar[Mode]
    MODE_UNGATED: _ClassVar[Mode]
    MODE_CANARY: _ClassVar[Mode]
    MODE_LIVE: _ClassVar[Mode]
    MODE_GATED: _ClassVar[Mode]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_LEARNED: _ClassVar[Source]
    SOURCE_BASELINE: _ClassVar[Source]
    SOURCE_REPLAY: _ClassVar[Source]
    SOURCE_DEGRADED: _ClassVar[Source]
    SOURCE_SHIELD: _ClassVar[Source]

class RecommendOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECOMMEND_OUTCOME_UNSPECIFIED: _ClassVar[RecommendOutcome]
    RECOMMEND_OUTCOME_CHOSEN: _ClassVar[RecommendOutcome]
    RECOMMEND_OUTCOME_REFUSED: _ClassVar[RecommendOutcome]

class Shield(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHIELD_UNSPECIFIED: _ClassVar[Shield]
    SHIELD_BUDGET: _ClassVar[Shield]
    SHIELD_LATENCY: _ClassVar[Shield]

class ShieldEffect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHIELD_EFFECT_UNSPECIFIED: _ClassVar[ShieldEffect]
    SHIELD_EFFECT_STEPPED_OVER: _ClassVar[ShieldEffect]
    SHIELD_EFFECT_FASTEST_ANYWAY: _ClassVar[ShieldEffect]
    SHIELD_EFFECT_CHEAPEST_ANYWAY: _ClassVar[ShieldEffect]
    SHIELD_EFFECT_REFUSED: _ClassVar[ShieldEffect]

class RewardOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REWARD_OUTCOME_UNSPECIFIED: _ClassVar[RewardOutcome]
    REWARD_OUTCOME_APPLIED: _ClassVar[RewardOutcome]
    REWARD_OUTCOME_DUPLICATE: _ClassVar[RewardOutcome]
    REWARD_OUTCOME_LATE: _ClassVar[RewardOutcome]
    REWARD_OUTCOME_UNKNOWN: _ClassVar[RewardOutcome]
    REWARD_OUTCOME_COLLECTED: _ClassVar[RewardOutcome]
    REWARD_OUTCOME_SPOOLED: _ClassVar[RewardOutcome]

class ReleaseOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELEASE_OUTCOME_UNSPECIFIED: _ClassVar[ReleaseOutcome]
    RELEASE_OUTCOME_RELEASED: _ClassVar[ReleaseOutcome]
    RELEASE_OUTCOME_ALREADY_CLOSED: _ClassVar[ReleaseOutcome]
    RELEASE_OUTCOME_UNKNOWN: _ClassVar[ReleaseOutcome]
    RELEASE_OUTCOME_SPOOLED: _ClassVar[ReleaseOutcome]

class RestoreAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESTORE_ACTION_UNSPECIFIED: _ClassVar[RestoreAction]
    RESTORE_ACTION_RESTORED: _ClassVar[RestoreAction]
    RESTORE_ACTION_UNCHANGED: _ClassVar[RestoreAction]
    RESTORE_ACTION_IGNORED_UNKNOWN_DOMAIN: _ClassVar[RestoreAction]
    RESTORE_ACTION_SKIPPED_POLICY_MISMATCH: _ClassVar[RestoreAction]
MODE_UNSPECIFIED: Mode
MODE_OFF: Mode
MODE_SHADOW: Mode
MODE_UNGATED: Mode
MODE_CANARY: Mode
MODE_LIVE: Mode
MODE_GATED: Mode
SOURCE_UNSPECIFIED: Source
SOURCE_LEARNED: Source
SOURCE_BASELINE: Source
SOURCE_REPLAY: Source
SOURCE_DEGRADED: Source
SOURCE_SHIELD: Source
RECOMMEND_OUTCOME_UNSPECIFIED: RecommendOutcome
RECOMMEND_OUTCOME_CHOSEN: RecommendOutcome
RECOMMEND_OUTCOME_REFUSED: RecommendOutcome
SHIELD_UNSPECIFIED: Shield
SHIELD_BUDGET: Shield
SHIELD_LATENCY: Shield
SHIELD_EFFECT_UNSPECIFIED: ShieldEffect
SHIELD_EFFECT_STEPPED_OVER: ShieldEffect
SHIELD_EFFECT_FASTEST_ANYWAY: ShieldEffect
SHIELD_EFFECT_CHEAPEST_ANYWAY: ShieldEffect
SHIELD_EFFECT_REFUSED: ShieldEffect
REWARD_OUTCOME_UNSPECIFIED: RewardOutcome
REWARD_OUTCOME_APPLIED: RewardOutcome
REWARD_OUTCOME_DUPLICATE: RewardOutcome
REWARD_OUTCOME_LATE: RewardOutcome
REWARD_OUTCOME_UNKNOWN: RewardOutcome
REWARD_OUTCOME_COLLECTED: RewardOutcome
REWARD_OUTCOME_SPOOLED: RewardOutcome
RELEASE_OUTCOME_UNSPECIFIED: ReleaseOutcome
RELEASE_OUTCOME_RELEASED: ReleaseOutcome
RELEASE_OUTCOME_ALREADY_CLOSED: ReleaseOutcome
RELEASE_OUTCOME_UNKNOWN: ReleaseOutcome
RELEASE_OUTCOME_SPOOLED: ReleaseOutcome
RESTORE_ACTION_UNSPECIFIED: RestoreAction
RESTORE_ACTION_RESTORED: RestoreAction
RESTORE_ACTION_UNCHANGED: RestoreAction
RESTORE_ACTION_IGNORED_UNKNOWN_DOMAIN: RestoreAction
RESTORE_ACTION_SKIPPED_POLICY_MISMATCH: RestoreAction

class Candidate(_message.Message):
    __slots__ = ("arm", "cost_ceiling_usd")
    ARM_FIELD_NUMBER: _ClassVar[int]
    COST_CEILING_USD_FIELD_NUMBER: _ClassVar[int]
    arm: str
    cost_ceiling_usd: float
    def __init__(self, arm: _Optional[str] = ..., cost_ceiling_usd: _Optional[float] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("tenant", "workspace", "domain", "decision_id", "candidates", "context", "max_latency_ms", "reward_deadline_ms", "strict")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    REWARD_DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    workspace: str
    domain: str
    decision_id: str
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    context: _containers.ScalarMap[str, float]
    max_latency_ms: float
    reward_deadline_ms: int
    strict: bool
    def __init__(self, tenant: _Optional[str] = ..., workspace: _Optional[str] = ..., domain: _Optional[str] = ..., decision_id: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., context: _Optional[_Mapping[str, float]] = ..., max_latency_ms: _Optional[float] = ..., reward_deadline_ms: _Optional[int] = ..., strict: _Optional[bool] = ...) -> None: ...

class ShieldAction(_message.Message):
    __slots__ = ("shield", "effect", "arm")
    SHIELD_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    shield: Shield
    effect: ShieldEffect
    arm: str
    def __init__(self, shield: _Optional[_Union[Shield, str]] = ..., effect: _Optional[_Union[ShieldEffect, str]] = ..., arm: _Optional[str] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("arm", "outcome", "decision_id", "propensity", "baseline", "proposal", "mode", "source", "shields", "expires_at_unix_ms", "degraded", "policy", "statistics_version", "reserved_usd", "sampled")
    ARM_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SHIELDS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_VERSION_FIELD_NUMBER: _ClassVar[int]
    RESERVED_USD_FIELD_NUMBER: _ClassVar[int]
    SAMPLED_FIELD_NUMBER: _ClassVar[int]
    arm: str
    outcome: RecommendOutcome
    decision_id: str
    propensity: float
    baseline: str
    proposal: str
    mode: Mode
    source: Source
    shields: _containers.RepeatedCompositeFieldContainer[ShieldAction]
    expires_at_unix_ms: int
    degraded: bool
    policy: str
    statistics_version: int
    reserved_usd: float
    sampled: bool
    def __init__(self, arm: _Optional[str] = ..., outcome: _Optional[_Union[RecommendOutcome, str]] = ..., decision_id: _Optional[str] = ..., propensity: _Optional[float] = ..., baseline: _Optional[str] = ..., proposal: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., source: _Optional[_Union[Source, str]] = ..., shields: _Optional[_Iterable[_Union[ShieldAction, _Mapping]]] = ..., expires_at_unix_ms: _Optional[int] = ..., degraded: _Optional[bool] = ..., policy: _Optional[str] = ..., statistics_version: _Optional[int] = ..., reserved_usd: _Optional[float] = ..., sampled: _Optional[bool] = ...) -> None: ...

class RecommendBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RecommendRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RecommendRequest, _Mapping]]] = ...) -> None: ...

class RecommendBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecommendResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RecommendResult, _Mapping]]] = ...) -> None: ...

class RecommendResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: RecommendResponse
    error: ItemError
    def __init__(self, response: _Optional[_Union[RecommendResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "reason", "message", "field")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    field: str
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class Signals(_message.Message):
    __slots__ = ("reward", "quality", "groundedness", "safety", "cost_usd", "latency_ms")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    GROUNDEDNESS_FIELD_NUMBER: _ClassVar[int]
    SAFETY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    reward: float
    quality: float
    groundedness: float
    safety: float
    cost_usd: float
    latency_ms: float
    def __init__(self, reward: _Optional[float] = ..., quality: _Optional[float] = ..., groundedness: _Optional[float] = ..., safety: _Optional[float] = ..., cost_usd: _Optional[float] = ..., latency_ms: _Optional[float] = ...) -> None: ...

class RewardRequest(_message.Message):
    __slots__ = ("tenant", "workspace", "domain", "decision_id", "signals", "more_to_come")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    MORE_TO_COME_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    workspace: str
    domain: str
    decision_id: str
    signals: Signals
    more_to_come: bool
    def __init__(self, tenant: _Optional[str] = ..., workspace: _Optional[str] = ..., domain: _Optional[str] = ..., decision_id: _Optional[str] = ..., signals: _Optional[_Union[Signals, _Mapping]] = ..., more_to_come: _Optional[bool] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("signal", "value", "normalized", "weight")
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    NORMALIZED_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    signal: str
    value: float
    normalized: float
    weight: float
    def __init__(self, signal: _Optional[str] = ..., value: _Optional[float] = ..., normalized: _Optional[float] = ..., weight: _Optional[float] = ...) -> None: ...

class RewardResponse(_message.Message):
    __slots__ = ("outcome", "reward", "breakdown", "missing", "arm")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    BREAKDOWN_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    outcome: RewardOutcome
    reward: float
    breakdown: _containers.RepeatedCompositeFieldContainer[Contribution]
    missing: _containers.RepeatedScalarFieldContainer[str]
    arm: str
    def __init__(self, outcome: _Optional[_Union[RewardOutcome, str]] = ..., reward: _Optional[float] = ..., breakdown: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., missing: _Optional[_Iterable[str]] = ..., arm: _Optional[str] = ...) -> None: ...

class RewardBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RewardRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RewardRequest, _Mapping]]] = ...) -> None: ...

class RewardBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RewardResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RewardResult, _Mapping]]] = ...) -> None: ...

class RewardResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: RewardResponse
    error: ItemError
    def __init__(self, response: _Optional[_Union[RewardResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("tenant", "workspace", "domain", "decision_id")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    workspace: str
    domain: str
    decision_id: str
    def __init__(self, tenant: _Optional[str] = ..., workspace: _Optional[str] = ..., domain: _Optional[str] = ..., decision_id: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: ReleaseOutcome
    def __init__(self, outcome: _Optional[_Union[ReleaseOutcome, str]] = ...) -> None: ...

class SnapshotRequest(_message.Message):
    __slots__ = ("tenant", "workspace", "policies")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    workspace: str
    policies: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant: _Optional[str] = ..., workspace: _Optional[str] = ..., policies: _Optional[_Iterable[str]] = ...) -> None: ...

class SnapshotResponse(_message.Message):
    __slots__ = ("document_json",)
    DOCUMENT_JSON_FIELD_NUMBER: _ClassVar[int]
    document_json: str
    def __init__(self, document_json: _Optional[str] = ...) -> None: ...

class RestoreRequest(_message.Message):
    __slots__ = ("tenant", "workspace", "document_json", "policies", "dry_run", "reseed", "create_unknown_domains")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_JSON_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    RESEED_FIELD_NUMBER: _ClassVar[int]
    CREATE_UNKNOWN_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    workspace: str
    document_json: str
    policies: _containers.RepeatedScalarFieldContainer[str]
    dry_run: bool
    reseed: bool
    create_unknown_domains: bool
    def __init__(self, tenant: _Optional[str] = ..., workspace: _Optional[str] = ..., document_json: _Optional[str] = ..., policies: _Optional[_Iterable[str]] = ..., dry_run: _Optional[bool] = ..., reseed: _Optional[bool] = ..., create_unknown_domains: _Optional[bool] = ...) -> None: ...

class DomainRestore(_message.Message):
    __slots__ = ("domain", "action", "message", "differences")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    domain: str
    action: RestoreAction
    message: str
    differences: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, domain: _Optional[str] = ..., action: _Optional[_Union[RestoreAction, str]] = ..., message: _Optional[str] = ..., differences: _Optional[_Iterable[str]] = ...) -> None: ...

class RestoreResponse(_message.Message):
    __slots__ = ("domains", "dry_run")
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedCompositeFieldContainer[DomainRestore]
    dry_run: bool
    def __init__(self, domains: _Optional[_Iterable[_Union[DomainRestore, _Mapping]]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("tenant", "workspace", "domain")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    workspace: str
    domain: str
    def __init__(self, tenant: _Optional[str] = ..., workspace: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class ArmStatus(_message.Message):
    __slots__ = ("arm", "pulls", "rewards", "defaulted", "reward_mean", "reward_sd", "cost_mean_usd", "cost_high_usd", "latency_mean_ms", "latency_high_ms", "proposed", "traffic_share", "reward_low", "reward_high")
    ARM_FIELD_NUMBER: _ClassVar[int]
    PULLS_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    DEFAULTED_FIELD_NUMBER: _ClassVar[int]
    REWARD_MEAN_FIELD_NUMBER: _ClassVar[int]
    REWARD_SD_FIELD_NUMBER: _ClassVar[int]
    COST_MEAN_USD_FIELD_NUMBER: _ClassVar[int]
    COST_HIGH_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MEAN_MS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_HIGH_MS_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_FIELD_NUMBER: _ClassVar[int]
    TRAFFIC_SHARE_FIELD_NUMBER: _ClassVar[int]
    REWARD_LOW_FIELD_NUMBER: _ClassVar[int]
    REWARD_HIGH_FIELD_NUMBER: _ClassVar[int]
    arm: str
    pulls: int
    rewards: int
    defaulted: int
    reward_mean: float
    reward_sd: float
    cost_mean_usd: float
    cost_high_usd: float
    latency_mean_ms: float
    latency_high_ms: float
    proposed: int
    traffic_share: float
    reward_low: float
    reward_high: float
    def __init__(self, arm: _Optional[str] = ..., pulls: _Optional[int] = ..., rewards: _Optional[int] = ..., defaulted: _Optional[int] = ..., reward_mean: _Optional[float] = ..., reward_sd: _Optional[float] = ..., cost_mean_usd: _Optional[float] = ..., cost_high_usd: _Optional[float] = ..., latency_mean_ms: _Optional[float] = ..., latency_high_ms: _Optional[float] = ..., proposed: _Optional[int] = ..., traffic_share: _Optional[float] = ..., reward_low: _Optional[float] = ..., reward_high: _Optional[float] = ...) -> None: ...

class BudgetStatus(_message.Message):
    __slots__ = ("level", "window", "limit_usd", "spent_usd", "reserved_usd", "overrun_usd")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    LIMIT_USD_FIELD_NUMBER: _ClassVar[int]
    SPENT_USD_FIELD_NUMBER: _ClassVar[int]
    RESERVED_USD_FIELD_NUMBER: _ClassVar[int]
    OVERRUN_USD_FIELD_NUMBER: _ClassVar[int]
    level: str
    window: str
    limit_usd: float
    spent_usd: float
    reserved_usd: float
    overrun_usd: float
    def __init__(self, level: _Optional[str] = ..., window: _Optional[str] = ..., limit_usd: _Optional[float] = ..., spent_usd: _Optional[float] = ..., reserved_usd: _Optional[float] = ..., overrun_usd: _Optional[float] = ...) -> None: ...

class GateEvent(_message.Message):
    __slots__ = ("at_unix_ms", "before", "after", "attempt", "reason", "decisions", "checkpoint_restored")
    AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_RESTORED_FIELD_NUMBER: _ClassVar[int]
    at_unix_ms: int
    before: Mode
    after: Mode
    attempt: int
    reason: str
    decisions: int
    checkpoint_restored: bool
    def __init__(self, at_unix_ms: _Optional[int] = ..., before: _Optional[_Union[Mode, str]] = ..., after: _Optional[_Union[Mode, str]] = ..., attempt: _Optional[int] = ..., reason: _Optional[str] = ..., decisions: _Optional[int] = ..., checkpoint_restored: _Optional[bool] = ...) -> None: ...

class GateStatus(_message.Message):
    __slots__ = ("stage", "pinned", "attempt", "share", "decisions", "exposures", "unfolded", "evidence", "evidence_needed", "improvement", "improvement_low", "confidence", "baseline_mean", "exposed_mean", "held_mean", "exposed_missing_rate", "held_missing_rate", "loss_allowance", "loss_allowance_left", "loss_allowance_granted", "alarm", "alarm_at", "safety_evidence", "missing_evidence", "promotions", "rollbacks", "checkpoint_at_unix_ms", "next", "events")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    EXPOSURES_FIELD_NUMBER: _ClassVar[int]
    UNFOLDED_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_NEEDED_FIELD_NUMBER: _ClassVar[int]
    IMPROVEMENT_FIELD_NUMBER: _ClassVar[int]
    IMPROVEMENT_LOW_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    BASELINE_MEAN_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_MEAN_FIELD_NUMBER: _ClassVar[int]
    HELD_MEAN_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_MISSING_RATE_FIELD_NUMBER: _ClassVar[int]
    HELD_MISSING_RATE_FIELD_NUMBER: _ClassVar[int]
    LOSS_ALLOWANCE_FIELD_NUMBER: _ClassVar[int]
    LOSS_ALLOWANCE_LEFT_FIELD_NUMBER: _ClassVar[int]
    LOSS_ALLOWANCE_GRANTED_FIELD_NUMBER: _ClassVar[int]
    ALARM_FIELD_NUMBER: _ClassVar[int]
    ALARM_AT_FIELD_NUMBER: _ClassVar[int]
    SAFETY_EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    MISSING_EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    ROLLBACKS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    stage: Mode
    pinned: bool
    attempt: int
    share: float
    decisions: int
    exposures: int
    unfolded: int
    evidence: float
    evidence_needed: float
    improvement: float
    improvement_low: float
    confidence: float
    baseline_mean: float
    exposed_mean: float
    held_mean: float
    exposed_missing_rate: float
    held_missing_rate: float
    loss_allowance: float
    loss_allowance_left: float
    loss_allowance_granted: float
    alarm: float
    alarm_at: float
    safety_evidence: float
    missing_evidence: float
    promotions: int
    rollbacks: int
    checkpoint_at_unix_ms: int
    next: str
    events: _containers.RepeatedCompositeFieldContainer[GateEvent]
    def __init__(self, stage: _Optional[_Union[Mode, str]] = ..., pinned: _Optional[bool] = ..., attempt: _Optional[int] = ..., share: _Optional[float] = ..., decisions: _Optional[int] = ..., exposures: _Optional[int] = ..., unfolded: _Optional[int] = ..., evidence: _Optional[float] = ..., evidence_needed: _Optional[float] = ..., improvement: _Optional[float] = ..., improvement_low: _Optional[float] = ..., confidence: _Optional[float] = ..., baseline_mean: _Optional[float] = ..., exposed_mean: _Optional[float] = ..., held_mean: _Optional[float] = ..., exposed_missing_rate: _Optional[float] = ..., held_missing_rate: _Optional[float] = ..., loss_allowance: _Optional[float] = ..., loss_allowance_left: _Optional[float] = ..., loss_allowance_granted: _Optional[float] = ..., alarm: _Optional[float] = ..., alarm_at: _Optional[float] = ..., safety_evidence: _Optional[float] = ..., missing_evidence: _Optional[float] = ..., promotions: _Optional[int] = ..., rollbacks: _Optional[int] = ..., checkpoint_at_unix_ms: _Optional[int] = ..., next: _Optional[str] = ..., events: _Optional[_Iterable[_Union[GateEvent, _Mapping]]] = ...) -> None: ...

class DomainStatus(_message.Message):
    __slots__ = ("domain", "mode", "mode_reason", "policy", "statistics_version", "arms", "decisions", "open", "applied", "duplicates", "late", "released", "expired", "refused", "shadowed", "agreed", "budget", "gate", "agreement_rate", "missing_rate", "delay_mean_ms", "delay_high_ms")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    MODE_REASON_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_VERSION_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    SHADOWED_FIELD_NUMBER: _ClassVar[int]
    AGREED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_RATE_FIELD_NUMBER: _ClassVar[int]
    MISSING_RATE_FIELD_NUMBER: _ClassVar[int]
    DELAY_MEAN_MS_FIELD_NUMBER: _ClassVar[int]
    DELAY_HIGH_MS_FIELD_NUMBER: _ClassVar[int]
    domain: str
    mode: Mode
    mode_reason: str
    policy: str
    statistics_version: int
    arms: _containers.RepeatedCompositeFieldContainer[ArmStatus]
    decisions: int
    open: int
    applied: int
    duplicates: int
    late: int
    released: int
    expired: int
    refused: int
    shadowed: int
    agreed: int
    budget: BudgetStatus
    gate: GateStatus
    agreement_rate: float
    missing_rate: float
    delay_mean_ms: float
    delay_high_ms: float
    def __init__(self, domain: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., mode_reason: _Optional[str] = ..., policy: _Optional[str] = ..., statistics_version: _Optional[int] = ..., arms: _Optional[_Iterable[_Union[ArmStatus, _Mapping]]] = ..., decisions: _Optional[int] = ..., open: _Optional[int] = ..., applied: _Optional[int] = ..., duplicates: _Optional[int] = ..., late: _Optional[int] = ..., released: _Optional[int] = ..., expired: _Optional[int] = ..., refused: _Optional[int] = ..., shadowed: _Optional[int] = ..., agreed: _Optional[int] = ..., budget: _Optional[_Union[BudgetStatus, _Mapping]] = ..., gate: _Optional[_Union[GateStatus, _Mapping]] = ..., agreement_rate: _Optional[float] = ..., missing_rate: _Optional[float] = ..., delay_mean_ms: _Optional[float] = ..., delay_high_ms: _Optional[float] = ...) -> None: ...

class StoreStatus(_message.Message):
    __slots__ = ("reachable", "server", "breaker", "lost", "lost_at_unix_ms", "spooled")
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    LOST_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    SPOOLED_FIELD_NUMBER: _ClassVar[int]
    reachable: bool
    server: str
    breaker: str
    lost: str
    lost_at_unix_ms: int
    spooled: int
    def __init__(self, reachable: _Optional[bool] = ..., server: _Optional[str] = ..., breaker: _Optional[str] = ..., lost: _Optional[str] = ..., lost_at_unix_ms: _Optional[int] = ..., spooled: _Optional[int] = ...) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("domains", "budget", "store", "sidecar_version")
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    SIDECAR_VERSION_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedCompositeFieldContainer[DomainStatus]
    budget: BudgetStatus
    store: StoreStatus
    sidecar_version: str
    def __init__(self, domains: _Optional[_Iterable[_Union[DomainStatus, _Mapping]]] = ..., budget: _Optional[_Union[BudgetStatus, _Mapping]] = ..., store: _Optional[_Union[StoreStatus, _Mapping]] = ..., sidecar_version: _Optional[str] = ...) -> None: ...

class SetModeRequest(_message.Message):
    __slots__ = ("tenant", "workspace", "domain", "mode", "reason", "settings", "reset_attempts", "reinstate_checkpoint")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    RESET_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REINSTATE_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    workspace: str
    domain: str
    mode: Mode
    reason: str
    settings: _struct_pb2.Struct
    reset_attempts: bool
    reinstate_checkpoint: bool
    def __init__(self, tenant: _Optional[str] = ..., workspace: _Optional[str] = ..., domain: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., reason: _Optional[str] = ..., settings: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., reset_attempts: _Optional[bool] = ..., reinstate_checkpoint: _Optional[bool] = ...) -> None: ...

class SetModeResponse(_message.Message):
    __slots__ = ("mode", "previous_mode", "revision", "checkpoint_reinstated")
    MODE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_MODE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_REINSTATED_FIELD_NUMBER: _ClassVar[int]
    mode: Mode
    previous_mode: Mode
    revision: int
    checkpoint_reinstated: bool
    def __init__(self, mode: _Optional[_Union[Mode, str]] = ..., previous_mode: _Optional[_Union[Mode, str]] = ..., revision: _Optional[int] = ..., checkpoint_reinstated: _Optional[bool] = ...) -> None: ...
