"""What a driver can be told, and what it answers: the table of the README as types.

Values of an order may be `$name`, which stands for what an earlier step kept.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

Text = str | UnsetType
Number = float | str | UnsetType
"""A number, a `$name`, or what JSON has no numbers for: `nan`, `inf`, `-inf`."""
Signals = dict[str, float | str]

DECISION = frozenset(
    {
        "domain", "decision_id", "arm", "baseline", "source", "mode", "propensity", "proposal", "refused", "degraded",
        "recorded", "shields", "expires_at_unix_ms", "ask_ms",
    }
)  # fmt: skip
ACTED = DECISION | {"acted", "raised", "report"}


class Order(msgspec.Struct, tag_field="op", forbid_unknown_fields=True, omit_defaults=True):
    """One order, without its `id`."""

    answers: ClassVar[frozenset[str]] = frozenset()
    """What its answer may consist of."""


class WithClient(Order):
    """An order to one client."""

    client: str = "app"


class Tls(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Paths of PEM files."""

    ca: Text = UNSET
    cert: Text = UNSET
    key: Text = UNSET


class Open(WithClient, tag="open"):
    """Make a client."""

    address: Text = UNSET
    timeout_ms: Number = UNSET
    tenant: Text = UNSET
    workspace: Text = UNSET
    token: Text = UNSET
    tls: Tls | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET


class Fake(WithClient, tag="fake"):
    """Make an in-memory fake."""

    choose: Literal["first", "last"] | UnsetType = UNSET


class FakeAway(WithClient, tag="fake_away", kw_only=True):
    """Let the fake play dead, or come back."""

    away: bool


class FakeRewards(WithClient, tag="fake_rewards"):
    """Tell what the fake was rewarded with."""

    answers = frozenset({"rewards"})


class Act(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, rename={"raises": "raise"}):
    """What happens inside a block."""

    sleep_ms: float | UnsetType = UNSET
    observe: list[Signals] | UnsetType = UNSET
    keep_open: bool | UnsetType = UNSET
    raises: Literal["error", "cancel"] | UnsetType = UNSET


class Asking(WithClient):
    """Ask for a decision."""

    domain: Text = UNSET
    candidates: list[str] | str | UnsetType = UNSET
    context: dict[str, float | str] | UnsetType = UNSET
    cost_ceilings_usd: dict[str, float | str] | UnsetType = UNSET
    max_latency_ms: Number = UNSET
    reward_deadline_ms: int | UnsetType = UNSET
    decision_id: Text = UNSET
    traceparent: Text = UNSET


class Recommend(Asking, tag="recommend"):
    """Ask without a block."""

    answers = DECISION

    times: int | UnsetType = UNSET


class Block(Asking):
    """Ask, act and report."""

    answers = ACTED

    on_error: Literal["worst", "release", "ignore"] | UnsetType = UNSET
    act: Act | UnsetType = UNSET


class Decide(Block, tag="decide"):
    """Ask, act and report in a block."""


class Learn(Block, tag="learn"):
    """Ask, act and report in one call."""


class Together(Block, tag="together", kw_only=True):
    """Many blocks at once."""

    answers = frozenset({"decisions"})

    times: int


class Reward(WithClient, tag="reward"):
    """Report."""

    answers = frozenset({"outcome", "reward", "arm", "missing"})

    decision_id: Text = UNSET
    domain: Text = UNSET
    signals: Signals | UnsetType = UNSET
    more_to_come: bool | UnsetType = UNSET


class Release(WithClient, tag="release"):
    """Give back."""

    answers = frozenset({"outcome"})

    decision_id: Text = UNSET
    domain: Text = UNSET


class Close(WithClient, tag="close"):
    """Close a client."""


AnyOrder = Open | Fake | FakeAway | FakeRewards | Decide | Learn | Recommend | Together | Reward | Release | Close
