"""A ledger and a state that fit each other, to be tampered with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from learning_client._calls import Failure
from learning_client.v1 import learning_pb2 as pb

from sidecar.gate.phase import Phase
from sidecar.model.gate import GateState, Terms

from .evidence import DomainEvidence, Evidence, Record
from .truth import APPLIED, LATE, Ledger

LIMITS = {"domain/route": 1.0, "workspace": 2.0}
TERMS = Terms(share_ppm=300_000, mean_micro=600_000)
READ_MS = 1_000_000
LOST = Failure("UNAVAILABLE", "away")


def answer(arm: str, *, sampled: bool = False, due_ms: int = 1) -> pb.RecommendResponse:
    """An answer that says a decision was recorded."""
    return pb.RecommendResponse(
        arm=arm, baseline="small", outcome=pb.RECOMMEND_OUTCOME_CHOSEN, expires_at_unix_ms=due_ms, sampled=sampled
    )


def recommended(ledger: Ledger, decision_id: str, reply: object) -> None:
    """Note a Recommend that took 10 ms."""
    request = pb.RecommendRequest(workspace="w", domain="route", decision_id=decision_id)
    ledger.note(request, reply, 1.0, 1.01)


def reported(ledger: Ledger, decision_id: str, outcome: int | None, *, part: bool = False, cost: float = 0.004) -> None:
    """Note a report of 0.5 for half a cent; no outcome stands for no answer."""
    request = pb.RewardRequest(
        workspace="w",
        domain="route",
        decision_id=decision_id,
        more_to_come=part,
        signals=pb.Signals(reward=0.5, cost_usd=cost),
    )
    ledger.note(request, LOST if outcome is None else pb.RewardResponse(outcome=outcome), 2.0, 2.01)


def released(ledger: Ledger, decision_id: str) -> None:
    """Note a release that was carried out."""
    request = pb.ReleaseRequest(workspace="w", domain="route", decision_id=decision_id)
    ledger.note(request, pb.ReleaseResponse(outcome=pb.RELEASE_OUTCOME_RELEASED), 2.0, 2.01)


def honest() -> tuple[Ledger, Evidence]:
    """A round in which everything is as it should be.

    Rewarded twice, kept, a maybe that counts, released, late, and one that waits for its deadline with what a part
    brought.
    """
    ledger = Ledger()
    for name in ("one", "two", "kept", "maybe", "released", "late", "waiting"):
        recommended(ledger, name, answer("large", sampled=name == "one"))
    for name in ("one", "two"):
        reported(ledger, name, APPLIED)
        reported(ledger, name, pb.REWARD_OUTCOME_DUPLICATE)
    for name in ("kept", "waiting"):
        reported(ledger, name, pb.REWARD_OUTCOME_COLLECTED, part=True)
    reported(ledger, "maybe", None)
    released(ledger, "released")
    reported(ledger, "late", LATE, cost=0.0)
    states = {
        "one": "rewarded", "two": "rewarded", "kept": "expired", "maybe": "rewarded", "released": "released",
        "late": "late", "waiting": "open",
    }  # fmt: skip
    collected = dict.fromkeys(("kept", "waiting"), "500000 250000000 4000000  {}")
    due_ms = {"waiting": READ_MS + 1}
    records = {
        name: Record(
            state, "large", 10_000_000, "3 1 1" if name == "one" else "", collected.get(name, ""), due_ms.get(name, 0)
        )
        for name, state in states.items()
    }
    figures = {
        "pulls:large": 7, "count:large": 3, "defaulted:large": 1, "reward_micro:large": 2_000_000,
        "reward_sq_nano:large": 1_000_000_000, "cost_nano:large": 16_000_000, "decisions": 7, "applied": 3,
        "released": 1, "expired": 2,
    }  # fmt: skip
    phase = Phase(TERMS)
    charged, settled = phase.charged(exposed=True), phase.settled(500_000, None, exposed=True)
    gate = GateState(terms=TERMS, totals=tuple(a + b for a, b in zip(charged, settled, strict=True)))
    accounts = {
        f"{figure}_nano:{level}": amount
        for level in LIMITS
        for figure, amount in (("spent", 16_000_000), ("reserved", 10_000_000), ("overrun", 0))
    }
    return ledger, Evidence({"route": DomainEvidence(figures, records, gate, revision=3)}, accounts, read_ms=READ_MS)


def add(evidence: Evidence, amounts: dict[str, int]) -> None:
    """Change figures of the domain."""
    for name, more in amounts.items():
        evidence.domains["route"].figures[name] += more


def put(evidence: Evidence, name: str, **changes: Any) -> None:
    """Change a record."""
    records = evidence.domains["route"].records
    records[name] = replace(records[name], **changes)
