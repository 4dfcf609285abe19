"""Drives a service through a log: recommend, look up what the arm gives, report it, row after row."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sidecar.ops.gate_lines import mode_name
from sidecar.ops.replaying.climbing import Climb, Move
from sidecar.ops.replaying.degrading import in_order
from sidecar.ops.replaying.log import Row
from sidecar.ops.replaying.plan import Plan
from sidecar.v1 import learning_pb2 as pb

TENANT = "replay"
_AT_ONCE = 8
_CALL_S = 30.0


@dataclass(slots=True)
class Course:
    """How one shuffle went.

    `order`, `rows`, `arms` and `rewards` go by decision: the row's index, the row as it was then (degraded or not), the
    executed arm ('' when refused) and its reward (then 0). `budget`, `gate` and `mode_end` are what the service's
    Status says at the end; `moves` are the gate's.
    """

    shuffle: int
    seed: int
    workspace: str
    order: list[int]
    rows: list[Row]
    arms: list[str] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    shields: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    not_applied: int = 0
    refused: int = 0
    budget: pb.BudgetStatus = field(default_factory=pb.BudgetStatus)
    gate: pb.GateStatus = field(default_factory=pb.GateStatus)
    mode_end: str = ""
    moves: list[Move] = field(default_factory=list)
    seconds: float = 0.0


Watch = Callable[[float, float], None]
"""Told of every decision: its reward, and its cost in US dollars as the log has it."""


async def replay(stub: Any, rows: Sequence[Row], plan: Plan, watch: Watch) -> list[Course]:  # noqa: ANN401 - generated
    """Replay every shuffle, up to 8 at a time over one connection, each in a workspace of its own.

    Args:
        stub: of the service.
        rows: at least one; each has the baseline.
        plan: how.
        watch: told of every decision.

    Raises:
        grpc.aio.AioRpcError: a call failed; the other shuffles are given up.
    """
    run_id, gate = secrets.token_hex(6), asyncio.Semaphore(_AT_ONCE)
    candidates = [_candidates(row, plan) for row in rows]

    async def one(shuffle: int) -> Course:
        async with gate:
            course = _beginning(shuffle, run_id, rows, plan)
            return await _Driver(stub, candidates, plan, watch, course).drive()

    tasks = [asyncio.create_task(one(shuffle)) for shuffle in range(plan.shuffles)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Driver:
    """Drives one shuffle."""

    def __init__(
        self,
        stub: Any,  # noqa: ANN401 - generated
        candidates: Sequence[list[pb.Candidate]],
        plan: Plan,
        watch: Watch,
        course: Course,
    ) -> None:
        self._stub = stub
        self._candidates = candidates
        self._plan = plan
        self._watch = watch
        self._course = course

    async def drive(self) -> Course:
        """Prepare the workspace, go through the rows, and read what was spent and where the gate stands."""
        course = self._course
        await self._stub.SetMode(self._set_mode(), timeout=_CALL_S)
        climb = Climb(await self._status())
        started = time.perf_counter()
        for at in range(len(course.rows)):
            await self._decide(at, climb)
        course.seconds = time.perf_counter() - started
        status = await self._status()
        climb.read(status)
        course.budget, course.gate, course.moves = status.budget, status.gate, climb.moves
        course.mode_end = mode_name(status.mode)
        return course

    def _set_mode(self) -> pb.SetModeRequest:
        request = pb.SetModeRequest(
            tenant=TENANT,
            workspace=self._course.workspace,
            domain=self._plan.domain,
            mode=f"MODE_{self._plan.mode.name}",
            reason="replay",
        )
        request.settings.update(self._plan.settings(self._course.shuffle, len(self._course.rows)))
        return request

    async def _status(self) -> pb.DomainStatus:
        asked = pb.StatusRequest(tenant=TENANT, workspace=self._course.workspace, domain=self._plan.domain)
        answer: pb.StatusResponse = await self._stub.Status(asked, timeout=_CALL_S)
        return answer.domains[0]

    async def _decide(self, at: int, climb: Climb) -> None:
        course, row = self._course, self._course.rows[at]
        asked = pb.RecommendRequest(
            tenant=TENANT,
            workspace=course.workspace,
            domain=self._plan.domain,
            decision_id=str(at + 1),  # the coin's side depends on it
            candidates=self._candidates[course.order[at]],
            context=row.context,
        )
        decision: pb.RecommendResponse = await self._stub.Recommend(asked, timeout=_CALL_S)
        if climb.moved(decision):
            climb.read(await self._status())
        climb.made(decision)
        course.shields.update(_shield_name(action) for action in decision.shields)
        reward, cost_usd = 0.0, 0.0
        if decision.outcome == pb.RECOMMEND_OUTCOME_REFUSED:
            course.refused += 1
        else:
            reward = await self._reward(decision, row)
            cost_usd = row.signals[decision.arm].cost_usd or 0.0
        course.arms.append(decision.arm)
        course.rewards.append(reward)
        self._watch(reward, cost_usd)

    async def _reward(self, decision: pb.RecommendResponse, row: Row) -> float:
        """Report what the executed arm gives, and return the reward that the service made of it."""
        course = self._course
        if decision.degraded:
            course.degraded += 1
            return row.rewards[decision.arm]
        report = pb.RewardRequest(
            tenant=TENANT,
            workspace=course.workspace,
            domain=self._plan.domain,
            decision_id=decision.decision_id,
            signals=pb.Signals(**row.signals[decision.arm].observed()),
        )
        answer: pb.RewardResponse = await self._stub.Reward(report, timeout=_CALL_S)
        if answer.outcome != pb.REWARD_OUTCOME_APPLIED:
            course.not_applied += 1
            return row.rewards[decision.arm]
        return answer.reward


def _beginning(shuffle: int, run_id: str, rows: Sequence[Row], plan: Plan) -> Course:
    order, seed = list(range(len(rows))), plan.seed + shuffle
    if not plan.in_order:
        Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    return Course(shuffle, seed, f"{run_id}-{shuffle}", order, in_order(rows, order, plan.degradation))


def _candidates(row: Row, plan: Plan) -> list[pb.Candidate]:
    names = [plan.baseline, *(name for name in row.signals if name != plan.baseline)]
    return [
        pb.Candidate(arm=name, cost_ceiling_usd=row.signals[name].cost_usd if plan.ceilings else None) for name in names
    ]


def _shield_name(action: pb.ShieldAction) -> str:
    shield = pb.Shield.Name(action.shield).removeprefix("SHIELD_")
    effect = pb.ShieldEffect.Name(action.effect).removeprefix("SHIELD_EFFECT_")
    return f"{shield}:{effect}".lower()
