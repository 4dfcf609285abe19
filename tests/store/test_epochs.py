"""Samples of the gate, their epochs, and folding them, on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.model.arm import SlidingAverage
from sidecar.model.gate import Cell, GateState, Terms
from sidecar.model.view import DomainView
from sidecar.store import transitions as t

from .conftest import HOUR_MS, Subject, Transitions, all_applied, learned, state

SAMPLED = t.Offer(None, "a", 0, "answer a", sampled=True)
PLAIN = t.Offer(None, "b", 0, "answer b")
CANARY = GateState(terms=Terms(share_ppm=100_000))
"""A phase in which proposals are executed; nothing bounds it."""
BOUNDED = replace(CANARY, allowance_micro=250_000)
"""One whose allowance has room for two exposures."""


def sample(*, exposed: bool = False, share: int = 100_000, full_at: int = 2, lasts: int = HOUR_MS) -> t.Sample:
    """Make a decision evidence."""
    return t.Sample(exposed, share, full_at, lasts)


async def gate_of(subject: Subject) -> GateState:
    """Read the gate."""
    return (await view_of(subject)).gate


async def view_of(subject: Subject) -> DomainView:
    """Read the domain."""
    return (await state(subject)).domains["route"]


async def test_sample_counts_from_the_start(subject: Subject, made: Transitions) -> None:
    """A decision counts in its epoch, on its side, before any reward, and holds its share of the allowance."""
    sides = [made.issue(f"d{n}", SAMPLED, sample=sample(full_at=4, exposed=n == 1)) for n in range(3)]
    await all_applied(subject, sides)
    gate = await gate_of(subject)
    cell = gate.cells[1]
    assert (cell.number, cell.open, cell.count, cell.full_at, cell.exposed, cell.sums) == (1, 3, 3, 4, 1, ())
    assert 0 <= (await view_of(subject)).now_ms + HOUR_MS - cell.ends_at_ms < 10_000
    assert (gate.epoch, gate.folded, gate.unfolded_ppm) == (1, 0, 300_000)


async def test_other_decisions_are_no_evidence(subject: Subject, made: Transitions) -> None:
    """An offer that is no sample leaves the gate alone, whatever the sample would have added."""
    await all_applied(subject, [made.issue("d1", PLAIN, sample=sample()), made.settle(held=(7, 7), exposed=(7, 7))])
    assert await gate_of(subject) == GateState()


@pytest.mark.parametrize(("exposed", "sums"), [(False, (10, -2)), (True, (20, 5))])
async def test_reward_adds_what_belongs_to_the_executed_side(
    subject: Subject, made: Transitions, exposed: bool, sums: tuple[int, int]
) -> None:
    """Of what a reward adds on either side, that of the side that the coin chose is added, once."""
    await subject.apply(made.issue("d1", SAMPLED, sample=sample(exposed=exposed)))
    await all_applied(subject, [made.settle(held=(10, -2), exposed=(20, 5))] * 2)
    cell = (await gate_of(subject)).cells[1]
    assert (cell.open, cell.sums) == (0, sums)


async def test_partial_reward_is_evidence_at_the_deadline(subject: Subject, made: Transitions) -> None:
    """A part that makes a reward counts if nothing else comes; the last part counts, and never both."""
    await subject.apply(made.issue("d1", SAMPLED, sample=sample(), deadline_ms=300))
    await subject.apply(made.settle("d1", 100, final=False, held=(1, 1)))
    await subject.apply(made.settle("d1", 200, final=False, held=(10, 10), collected="100 10   {}"))
    assert (await gate_of(subject)).cells[1].sums == ()
    await subject.pass_ms(301)
    await subject.apply(made.expire())
    cell = (await gate_of(subject)).cells[1]
    assert (cell.open, cell.sums) == (0, (10, 10))


async def test_final_reward_replaces_a_partial_one(subject: Subject, made: Transitions) -> None:
    """When the rest comes in time, only what the whole adds is added."""
    await subject.apply(made.issue("d1", SAMPLED, sample=sample()))
    await subject.apply(made.settle("d1", 100, final=False, held=(1, 1)))
    await subject.apply(made.settle("d1", 200, held=(20, 20), collected="100 10   {}"))
    assert (await gate_of(subject)).cells[1].sums == (20, 20)


@pytest.mark.parametrize("closing", ["release", "expire"])
async def test_no_sample_is_ever_taken_out(subject: Subject, made: Transitions, closing: str) -> None:
    """A release and a deadline leave a decision in the evidence, as a missing reward."""
    await subject.apply(made.issue("d1", SAMPLED, sample=sample(), deadline_ms=1 if closing == "expire" else HOUR_MS))
    await subject.pass_ms(2)
    await subject.apply(getattr(made, closing)())
    gate = await gate_of(subject)
    assert (gate.cells[1].open, gate.cells[1].count, gate.cells[1].sums, gate.unfolded_ppm) == (0, 1, (), 100_000)


async def test_full_or_old_epochs_take_no_more(subject: Subject, made: Transitions) -> None:
    """The next decision after an epoch's last, or after its time, is of the next epoch."""
    await all_applied(subject, [made.issue(f"d{n}", SAMPLED, sample=sample(lasts=400)) for n in range(3)])
    await subject.pass_ms(401)
    await subject.apply(made.issue("d3", SAMPLED, sample=sample()))
    gate = await gate_of(subject)
    assert ({number: cell.count for number, cell in gate.cells.items()}, gate.epoch) == ({1: 2, 2: 1, 3: 1}, 3)


async def test_epochs_that_are_not_folded_are_bounded(subject: Subject, made: Transitions) -> None:
    """Sixteen epochs at most wait to be folded: when as many are there, the newest one takes what comes."""
    brief = sample(full_at=1)
    await all_applied(subject, [made.issue(f"d{n}", SAMPLED, sample=brief) for n in range(20)])
    gate = await gate_of(subject)
    assert [gate.cells[number].count for number in range(1, 17)] == [1] * 15 + [5]
    assert (len(gate.cells), gate.epoch) == (16, 16)


@pytest.mark.parametrize("how", ["settle", "expire"])
async def test_whoever_closes_the_last_decision_is_told(subject: Subject, made: Transitions, how: str) -> None:
    """The reply that ends the wait for an epoch's rewards brings the view; those before do not."""
    deadline = 300 if how == "expire" else HOUR_MS
    await all_applied(subject, [made.issue(f"d{n}", SAMPLED, sample=sample(), deadline_ms=deadline) for n in range(2)])
    if how == "expire":
        await subject.pass_ms(301)
        first, last = await all_applied(subject, [made.expire(1)] * 2)
    else:
        first, last = await all_applied(subject, [made.settle(f"d{n}", held=(1, 1)) for n in range(2)])
    assert first.view is None
    assert last.view == replace(await view_of(subject), now_ms=last.view.now_ms)
    assert last.view.gate.settled_cell(last.view.now_ms).number == 1


async def test_sweep_tells_of_an_epoch_whose_time_has_passed(subject: Subject, made: Transitions) -> None:
    """An epoch that ends by the clock, after its last reward came, is noticed by the next sweep."""
    await subject.apply(made.issue("d1", SAMPLED, sample=sample(lasts=400)))
    assert (await subject.apply(made.settle(held=(1, 1)))).view is None
    assert await subject.apply(made.expire()) == t.Swept(0)
    await subject.pass_ms(401)
    assert (await subject.apply(made.expire())).view is not None


@pytest.mark.parametrize("share", [0, 100_000])
async def test_folding_takes_the_sums_into_the_totals(subject: Subject, made: Transitions, share: int) -> None:
    """A folded epoch is in the totals and no more in the cells, and gives back what it held, in shadow nothing."""
    await subject.apply(made.mode("gated", gate=GateState(terms=Terms(share_ppm=share))))
    for number in range(3):
        await subject.apply(made.issue(f"d{number}", SAMPLED, sample=sample(share=share), revision=1))
    await all_applied(subject, [made.settle(f"d{n}", held=(10, 0), phase=1) for n in range(2)])
    view = await view_of(subject)
    folded = await subject.apply(made.fold(view))
    assert folded == t.Folded(replace(await view_of(subject), now_ms=folded.view.now_ms))
    gate = folded.view.gate
    assert (gate.totals, gate.folded, gate.epoch, gate.unfolded_ppm) == ((20, 0), 1, 2, share)
    assert {number: cell.count for number, cell in gate.cells.items()} == {2: 1}
    assert folded.view.control.revision == 1


async def test_epoch_is_folded_once(subject: Subject, made: Transitions) -> None:
    """Of two sidecars that fold the same epoch one does, and the other is told how it is now."""
    await all_applied(subject, [made.issue("d1", SAMPLED, sample=sample(full_at=1)), made.settle(held=(1, 1))])
    fold = made.fold(await view_of(subject))
    assert isinstance(await subject.apply(fold), t.Folded)
    before = await learned(subject)
    outrun = await subject.apply(fold)
    assert isinstance(outrun, t.Outrun)
    assert (outrun.view.gate.folded, outrun.view.gate.totals) == (1, (1, 1))
    assert await learned(subject) == before


@pytest.mark.parametrize("other", ["phase", "number", "cell"])
async def test_folding_what_is_no_longer_so_changes_nothing(subject: Subject, made: Transitions, other: str) -> None:
    """Another phase, another epoch, or an epoch that is not as it was read, is refused as a whole."""
    await all_applied(subject, [made.issue("d1", SAMPLED, sample=sample(full_at=1)), made.settle(held=(1, 1))])
    fold, before = made.fold(await view_of(subject), checkpoint="keep"), await learned(subject)
    wrong = {
        "phase": replace(fold, phase=1),
        "number": replace(fold, cell=replace(fold.cell, number=2)),
        "cell": replace(fold, cell=replace(fold.cell, sums=(0, 0))),
    }
    assert isinstance(await subject.apply(wrong[other]), t.Outrun)
    assert await learned(subject) == before
    assert not (await subject.apply(made.mode("gated", reinstate=True))).reinstated


async def test_folding_an_unknown_domain_makes_none(subject: Subject, made: Transitions) -> None:
    """There is nothing to fold where nothing was decided, and nothing is made of it."""
    fold = t.Fold(made.scope(), 0, Cell(1, 0, 1, 1, 0, 0, (1, 1)), GateState(folded=1), 0)
    assert isinstance(await subject.apply(fold), t.Outrun)
    assert (await state(subject)).domains == {}


@pytest.mark.parametrize("how", ["fold", "mode"])
async def test_new_phase_drops_what_was_not_folded(subject: Subject, made: Transitions, how: str) -> None:
    """A new phase begins with no epochs, and a decision of the old one is learned from but is no evidence in it."""
    await all_applied(subject, [made.issue("d1", SAMPLED, sample=sample(full_at=1)), made.settle(held=(1, 1))])
    await subject.apply(made.issue("d2", SAMPLED, sample=sample(full_at=1)))
    begun = {
        "fold": made.fold(await view_of(subject), new_phase=True, gate=CANARY),
        "mode": made.mode("canary", gate=CANARY),
    }
    await subject.apply(begun[how])
    assert (await gate_of(subject), (await view_of(subject)).control.revision) == (CANARY, 1)
    await subject.apply(made.settle("d2", held=(5, 5)))
    view = await view_of(subject)
    assert (view.gate, view.counters["applied"]) == (CANARY, 2)


async def test_reward_for_a_phase_that_is_not_known_yet_is_stale(subject: Subject, made: Transitions) -> None:
    """Evidence computed for another phase than the decision's is refused with the view, and nothing is written."""
    await subject.apply(made.mode("gated", gate=CANARY))
    await subject.apply(made.issue("d1", SAMPLED, sample=sample(), revision=1))
    before = await learned(subject)
    reply = await subject.apply(made.settle(phase=0, held=(5, 5)))
    assert isinstance(reply, t.Stale)
    assert (reply.view.control.revision, reply.view.gate.terms) == (1, CANARY.terms)
    assert await learned(subject) == before
    assert isinstance(await subject.apply(made.settle(phase=1, held=(5, 5))), t.Applied)


async def test_exposures_stop_when_the_allowance_has_no_room(subject: Subject, made: Transitions) -> None:
    """A sample is skipped while those that are not folded hold all the allowance; then the epoch may be folded."""
    await subject.apply(made.mode("gated", gate=BOUNDED))
    taken = [
        (await subject.apply(made.issue(f"d{n}", SAMPLED, PLAIN, sample=sample(full_at=9), revision=1))).offer
        for n in range(3)
    ]
    first, last = await all_applied(subject, [made.settle(f"d{n}", held=(1, 1), phase=1) for n in range(2)])
    assert (taken, first.view, last.view.gate.unfolded_ppm) == ([0, 0, 1], None, 200_000)
    assert isinstance(await subject.apply(made.fold(last.view)), t.Folded)
    assert (await subject.apply(made.issue("d4", SAMPLED, PLAIN, sample=sample(), revision=1))).offer == 0


async def test_shadow_exposes_nothing_and_needs_no_room(subject: Subject, made: Transitions) -> None:
    """Without a share an allowance of nothing does not stop the samples."""
    await subject.apply(made.mode("gated", gate=GateState(allowance_micro=0)))
    assert (await subject.apply(made.issue("d1", SAMPLED, PLAIN, sample=sample(share=0), revision=1))).offer == 0


async def test_checkpoint_is_exchanged_for_what_was_learned_since(subject: Subject, made: Transitions) -> None:
    """Reinstating brings back what was kept, keeps what it replaces, and each time the version grows."""
    await all_applied(
        subject, [made.issue("d1", SAMPLED, sample=sample(full_at=1)), made.settle("d1", 100, held=(1, 1))]
    )
    await subject.apply(made.fold(await view_of(subject), checkpoint="keep"))
    await all_applied(subject, [made.issue("d2"), made.settle("d2", 900)])
    rewards, versions = [], []
    for revision in range(3):
        view = await view_of(subject)
        rewards.append((view.arm("a").reward_micro, view.arm("a").count, view.counters["applied"]))
        versions.append(view.version)
        assert (await subject.apply(made.mode("gated", revision=revision, reinstate=True))).reinstated
    assert rewards == [(1000, 2, 2), (100, 1, 1), (1000, 2, 2)]
    assert versions == [2, 3, 4]


async def test_reinstating_leaves_recent_behaviour_as_it_is(subject: Subject, made: Transitions) -> None:
    """What arms cost and how long they take of late is not turned back: the shields need what is so now."""
    first = made.settle("d1", 100, cost=5, latency=50, held=(1, 1))
    await all_applied(subject, [made.issue("d1", SAMPLED, sample=sample(full_at=1)), first])
    await subject.apply(made.fold(await view_of(subject), checkpoint="keep"))
    later = [made.settle("d2", 900, cost=9, latency=90), made.issue("d3", PLAIN), made.settle("d3", 900, cost=7)]
    await all_applied(subject, [made.issue("d2"), *later])
    before = (await view_of(subject)).arms
    await subject.apply(made.mode("gated", reinstate=True))
    after = (await view_of(subject)).arms
    assert after["a"].cost == before["a"].cost != SlidingAverage()
    assert after["a"].latency == before["a"].latency != SlidingAverage()
    assert (after["b"].cost, after["b"].observations) == (before["b"].cost, 0)


async def test_without_a_checkpoint_nothing_is_reinstated(subject: Subject, made: Transitions) -> None:
    """Before the first checkpoint there is nothing to exchange, and the reply says so."""
    await all_applied(subject, [made.issue(), made.settle()])
    before = await view_of(subject)
    assert await subject.apply(made.mode("gated", reinstate=True)) == t.ModeSet(1, "", reinstated=False)
    after = await view_of(subject)
    assert (after.version, after.arms, after.counters) == (before.version, before.arms, before.counters)


async def test_mode_of_another_revision_is_not_set(subject: Subject, made: Transitions) -> None:
    """A change worked out from a control that is no longer so is refused with the view, and nothing is written."""
    await subject.apply(made.mode("gated", gate=CANARY))
    before = await learned(subject)
    reply = await subject.apply(made.mode("off"))
    assert isinstance(reply, t.Stale)
    assert (reply.view.control.mode, reply.view.gate) == ("gated", CANARY)
    assert await learned(subject) == before


async def test_stale_mode_leaves_an_unknown_domain_unknown(subject: Subject, made: Transitions) -> None:
    """A refused change of mode makes no domain."""
    assert isinstance(await subject.apply(made.mode("off", revision=3)), t.Stale)
    assert (await state(subject)).domains == {}


async def test_delay_of_rewards_is_kept(subject: Subject, made: Transitions) -> None:
    """How long an applied reward took is averaged; a restore, which replaces all averages, begins anew."""
    await subject.apply(made.issue())
    await subject.pass_ms(300)
    await all_applied(subject, [made.settle(), made.issue("d2"), made.release("d2")])
    delay = (await view_of(subject)).delay
    assert 300 <= delay.mean < 10_000
    assert delay.recent == (delay.mean,)
    await subject.apply(t.Restore("default", made.workspace, (t.Restoration(made.scope(), 1, {}, {}),), {}))
    assert (await view_of(subject)).delay == SlidingAverage()
