"""`learning-sidecar status`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToJson
from rich.console import Console
from rich.table import Table

from sidecar.ops.calling import add_options, calling, reach_of
from sidecar.ops.gate_lines import gate_lines, mode_name
from sidecar.v1 import learning_pb2 as pb

_TIMEOUT_S = 10.0


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "status",
        help="show how a workspace is doing",
        description="Show modes, arms, budgets and the store of a workspace, as a running sidecar sees them.",
    )
    add_options(one)
    one.add_argument("--tenant", default="", help="whose (default: default)")
    one.add_argument("--workspace", default="", help="which deployment's (default: main)")
    one.add_argument("--domain", default="", help="only this domain")
    one.add_argument("--json", action="store_true", help="print the answer as one JSON object")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Ask, and show the answer."""
    request = pb.StatusRequest(tenant=asked.tenant, workspace=asked.workspace, domain=asked.domain)
    async with calling(reach_of(asked)) as stub:
        answer: pb.StatusResponse = await stub.Status(request, timeout=_TIMEOUT_S)
    if asked.json:
        print(MessageToJson(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
        return 0
    console = Console()
    store = answer.store.server if answer.store.reachable else "away"
    console.print(f"sidecar {answer.sidecar_version}, store {store}; workspace: {_budget(answer.budget)}")
    for line in _troubles(answer.store):
        console.print(line, style="bold", markup=False)
    if not answer.domains:
        console.print("no decision was made in this workspace yet")
    for domain in answer.domains:
        console.print(_table(domain))
        for line in gate_lines(domain):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        console.print()
    return 0


def _troubles(store: pb.StoreStatus) -> list[str]:
    """What is not as it should be with the store."""
    troubles = []
    if store.breaker not in ("", "closed"):
        troubles.append(f"calls do not go to the store: its breaker is {store.breaker}")
    if store.lost:
        at = datetime.fromtimestamp(store.lost_at_unix_ms / 1000, UTC).isoformat(timespec="seconds")
        troubles.append(f"the store has lost something, noticed at {at}: {store.lost} (docs/doctor.md)")
    if store.spooled:
        troubles.append(f"{store.spooled} reports wait on this sidecar's disk")
    return troubles


def _table(domain: pb.DomainStatus) -> Table:
    mode = mode_name(domain.mode)
    reason = f" ({domain.mode_reason})" if domain.mode_reason else ""
    facts = (
        f"{domain.decisions} decisions, {domain.open} open, {domain.applied} rewarded, {domain.duplicates} duplicate, "
        f"{domain.late} late, {domain.expired} expired\n{_budget(domain.budget)}"
    )
    table = Table(title=f"{domain.domain}: {mode}{reason}, {domain.policy}", caption=facts, title_justify="left")
    table.add_column("arm")
    for heading in ("share", "pulls", "rewards", "mean reward", "95 % interval", "cost", "latency", "would have"):
        table.add_column(heading, justify="right")
    for arm in domain.arms:
        table.add_row(
            arm.arm, f"{arm.traffic_share:.1%}", str(arm.pulls), str(arm.rewards),
            f"{arm.reward_mean:.3f}" if arm.rewards + arm.defaulted else "-",
            f"{arm.reward_low:.3f} to {arm.reward_high:.3f}", f"${arm.cost_mean_usd:.2g}",
            f"{arm.latency_mean_ms:.0f} ms", str(arm.proposed),
        )  # fmt: skip
    return table


def _budget(budget: pb.BudgetStatus) -> str:
    limit = f" of ${budget.limit_usd:g} a {budget.window}" if budget.HasField("limit_usd") else " (no limit)"
    return (
        f"spent ${budget.spent_usd:.6g}{limit}, reserved ${budget.reserved_usd:.6g}, overrun ${budget.overrun_usd:.6g}"
    )
