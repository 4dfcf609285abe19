"""What a person reads of a gate: where it stands, why it is not further, and what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sidecar.v1 import learning_pb2 as pb


def gate_lines(domain: pb.DomainStatus) -> Iterator[str]:
    """The gate of a domain in a few lines; the figures of evidence only while proposals are executed."""
    gate = domain.gate
    yield f"next: {gate.next}"
    if gate.share:
        yield (
            f"attempt {gate.attempt}: evidence {gate.evidence:,.4g} of {gate.evidence_needed:,.4g}; improvement "
            f"{gate.improvement:+.4f} a decision, at least {gate.improvement_low:+.4f} with {gate.confidence:.2%}"
        )
        yield (
            f"{gate.decisions:,} sampled decisions folded, {gate.unfolded:,} not yet; {gate.exposures:,} executed the "
            f"policy's arm (mean {gate.exposed_mean:.4f}, missing {gate.exposed_missing_rate:.1%}), the others the "
            f"baseline (mean {gate.held_mean:.4f}, missing {gate.held_missing_rate:.1%})"
        )
        yield f"loss allowance: {_allowance(gate)}"
    if gate.stage == pb.MODE_LIVE:
        yield f"alarm {gate.alarm:,.4g} of {gate.alarm_at:,.4g}"
    if gate.HasField("safety_evidence"):
        yield f"safety not worse by the margin: evidence {gate.safety_evidence:,.4g} of {gate.evidence_needed:,.4g}"
    if gate.HasField("missing_evidence"):
        yield f"rewards missing on one side: evidence {gate.missing_evidence:,.4g}, veto at {gate.evidence_needed:,.4g}"
    yield (
        f"rewards take {_ms(domain.delay_mean_ms)} on average, lately at most {_ms(domain.delay_high_ms)}; "
        f"{domain.missing_rate:.1%} never came; proposals agree with the baseline in {domain.agreement_rate:.1%}"
    )
    for event in gate.events:
        yield _event(event)


def _allowance(gate: pb.GateStatus) -> str:
    if not gate.HasField("loss_allowance_left"):
        return "not bounded: the mode was set by hand"
    return (
        f"{gate.loss_allowance_left:,.4g} of {gate.loss_allowance:,.4g} rewards left for exposures; "
        f"{gate.loss_allowance_granted:,.4g} granted so far in all"
    )


def _event(event: pb.GateEvent) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(event.at_unix_ms / 1000))
    restored = "; the last checkpoint was reinstated" if event.checkpoint_restored else ""
    moved = f"{mode_name(event.before)} -> {mode_name(event.after)}"
    return f"{at}  {moved}, attempt {event.attempt}: {event.reason}{restored}"


def mode_name(mode: int) -> str:
    """A mode as people write it, such as `live`."""
    return pb.Mode.Name(mode).removeprefix("MODE_").lower()


def _ms(milliseconds: float) -> str:
    return f"{milliseconds / 1000:,.3g} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"  # noqa: PLR2004 - ms in s
