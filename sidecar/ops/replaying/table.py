"""What a person reads at the end of a replay."""

from __future__ import annotations

from statistics import stdev

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sidecar.ops.replaying.chart import chart
from sidecar.ops.replaying.gate_report import gate_lines
from sidecar.ops.replaying.report import Figures, Replayed


def show(done: Replayed, figures: Figures, console: Console) -> None:
    """Print the chart, the tables, and what the shields and the budget did."""
    console.print(chart(done), markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(_title(done, figures), markup=False, highlight=False, soft_wrap=True)
    for table in (_comparison(done, figures), _arms(done, figures)):
        console.print()
        console.print(table)
    console.print()
    for line in _remarks(done, figures):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _title(done: Replayed, figures: Figures) -> str:
    shuffles = f", mean of {done.plan.shuffles} shuffles" if done.plan.shuffles > 1 else ""
    title = f"{done.log}: {figures['decisions']:,} decisions{shuffles}, mode {done.plan.mode}, seed {done.plan.seed}"
    if (drill := figures["degradation"]) is None:
        return title
    halved = f"from decision {drill['first_decision']:,} on, half of it from {' and '.join(drill['arms'])}"
    return f"{title}\n{halved}; in the yardsticks too"


def _comparison(done: Replayed, figures: Figures) -> Table:
    measures, budget = done.measures, figures["budget_usd"]
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("", no_wrap=True)
    share = "" if budget is None else "of\nbudget"
    for heading in ("mean\nreward", "regret to\nbest fixed", "regret to\noracle", "\ncost", share):
        table.add_column(heading, justify="right")
    rewards = [one["mean_reward"] for one in figures["shuffles"]]
    spread = f" ± {stdev(rewards):.4f}" if len(rewards) > 1 else ""
    lines = [
        (done.plan.policy, figures["mean_reward"], spread, figures["spent_usd"]),
        ("baseline", measures.baseline.reward, "", figures["baseline_cost_usd"]),
        ("best fixed", measures.best_fixed.reward, "", figures["best_fixed_cost_usd"]),
        ("oracle", measures.oracle.reward, "", figures["oracle_cost_usd"]),
    ]
    for name, reward, around, cost in lines:
        table.add_row(
            name,
            f"{reward:.4f}{around}",
            f"{measures.best_fixed.reward - reward:.4f}",
            f"{measures.oracle.reward - reward:.4f}",
            _usd(cost),
            "" if budget is None or cost is None else f"{cost / budget:.0%}",
        )
    return table


def _arms(done: Replayed, figures: Figures) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("\narm", overflow="fold")
    for heading in ("", "\nshare", "reward\nalone", "cost of\n1,000"):
        table.add_column(heading, justify="right")
    alone = {fixed.name: fixed for fixed in done.measures.arms}
    for arm in dict.fromkeys([*alone, *figures["arm_shares"]]):
        fixed = alone.get(arm)
        table.add_row(
            escape(arm),
            " ".join(_roles(done, arm)),
            f"{figures['arm_shares'].get(arm, 0.0):.1%}",
            f"{fixed.reward:.4f}" if fixed else "not in every row",
            _usd(None if fixed is None or fixed.cost_usd is None else 1000 * fixed.cost_usd),
        )
    return table


def _roles(done: Replayed, arm: str) -> list[str]:
    roles = {"baseline": done.measures.baseline.name, "best": done.measures.best_fixed.name}
    return [role for role, name in roles.items() if name == arm]


def _remarks(done: Replayed, figures: Figures) -> list[str]:
    actions = [f"{name} {count:g} times" for name, count in figures["shield_actions"].items()]
    lines = [*gate_lines(done.plan, figures["shuffles"]), "shields: " + (", ".join(actions) or "none acted")]
    if figures["budget_usd"] is not None:
        lines.append(
            f"budget: spent ${figures['spent_usd']:.6f} of ${figures['budget_usd']:.6f}, reserved "
            f"${figures['reserved_usd']:.6f}, overrun ${figures['overrun_usd']:.6f}, by the service's own books"
        )
    if figures["refused"]:
        lines.append(f"refused: {figures['refused']:g} decisions, counted with a reward of 0")
    if done.failures:
        lines.append(
            f"FAILED: {figures['degraded']:g} degraded answers, {figures['not_applied']:g} rewards not applied"
        )
    speed = figures["total_decisions_per_second"] or 0.0
    lines.append(f"{done.seconds:.1f} s, {speed:,.0f} decisions/s, each a Recommend and a Reward")
    return lines


def _usd(amount: float | None) -> str:
    return "not known" if amount is None else f"${amount:.4f}"
