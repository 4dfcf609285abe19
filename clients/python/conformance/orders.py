"""What each order does, with either client."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from learning_client import Tls

from conformance.seen import Act, Asking, Seen, told

_NUMBERS = ("context", "cost_ceilings_usd", "max_latency_ms", "reward_deadline_ms")
_FLOATS = {text: float(text) for text in ("nan", "inf", "-inf")}
_CHOOSERS: dict[str, Callable[[str, list[str], Mapping[str, float]], str]] = {
    "first": lambda _, candidates, __: candidates[0],
    "last": lambda _, candidates, __: candidates[-1],
}


class Unsupported(Exception):
    """An order, or an argument, that this driver does not know."""


class Arguments(dict[str, Any]):
    """The arguments of an order; each is taken, and none may be left."""

    def take(self, *names: str) -> dict[str, Any]:
        """Take those of `names` that are given."""
        return {name: self.pop(name) for name in names if name in self}

    def done(self) -> None:
        """Refuse what nobody has taken."""
        if self:
            raise Unsupported(f"the arguments {', '.join(sorted(self))}")


class Orders:
    """Carries out orders with the clients that were opened. `app` is `blocking` or `awaiting`."""

    def __init__(self, app: ModuleType) -> None:
        """Begin without a client."""
        self._app = app
        self._clients: dict[str, Any] = {}

    async def perform(self, order: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Carry out one."""
        op = order.pop("op")
        carry_out = getattr(self, f"do_{op}", None)
        if carry_out is None:
            raise Unsupported(op)
        return await carry_out(order.pop("client"), Arguments(order))

    async def do_open(self, name: str, order: Arguments) -> dict[str, Any]:
        """Make a client."""
        more = order.take("address", "timeout_ms", "tenant", "workspace", "token")
        more |= {"tls": Tls(**order.pop("tls"))} if "tls" in order else {}
        more |= {"metadata": list(order.pop("headers").items())} if "headers" in order else {}
        order.done()
        self._clients[name] = self._app.Client(**more)
        return {}

    async def do_fake(self, name: str, order: Arguments) -> dict[str, Any]:
        """Make a fake."""
        choose = order.pop("choose", "first")
        order.done()
        self._clients[name] = self._app.Fake(_CHOOSERS[choose])
        return {}

    async def do_fake_away(self, name: str, order: Arguments) -> dict[str, Any]:
        """Let it play dead."""
        self._clients[name].away = order.pop("away")
        order.done()
        return {}

    async def do_fake_rewards(self, name: str, order: Arguments) -> dict[str, Any]:
        """Tell what it was rewarded with."""
        order.done()
        rewards = self._clients[name].rewards
        return {"rewards": [{"domain": one.domain, "arm": one.arm, "signals": one.signals} for one in rewards]}

    async def do_decide(self, name: str, order: Arguments) -> dict[str, Any]:
        """Run a block."""
        seen: Seen = await _done(self._app.block(self._clients[name], *_block(order)))
        return seen.told()

    async def do_learn(self, name: str, order: Arguments) -> dict[str, Any]:
        """Do the same in one call."""
        asking, act = _block(order)
        if act.keep_open or act.fails:
            raise Unsupported("learn tells no decision when its act fails, and keeps none open")
        seen: Seen = await _done(self._app.learn(self._clients[name], asking, act))
        return seen.told()

    async def do_together(self, name: str, order: Arguments) -> dict[str, Any]:
        """Run blocks at once."""
        times = order.pop("times")
        blocks: list[Seen] = await _done(self._app.together(self._clients[name], times, *_block(order)))
        return {"decisions": [seen.told() for seen in blocks]}

    async def do_recommend(self, name: str, order: Arguments) -> dict[str, Any]:
        """Ask without a block."""
        times, asking = order.pop("times", 1), _asking(order)
        order.done()
        ask = self._clients[name].recommend
        with asking.traced():
            for _ in range(times):
                seen = Seen()
                seen.asked(await _done(ask(asking.domain, asking.candidates, **asking.options)))
        assert seen.decision
        return {**told(seen.decision), "ask_ms": seen.ask_ms}

    async def do_reward(self, name: str, order: Arguments) -> dict[str, Any]:
        """Report."""
        decision, more = order.pop("decision_id"), order.take("domain", "more_to_come")
        signals = _numbers(order.pop("signals", {}))
        order.done()
        result = await _done(self._clients[name].reward(decision, **more, **signals))
        return {"outcome": result.outcome, "reward": result.reward, "arm": result.arm, "missing": list(result.missing)}

    async def do_release(self, name: str, order: Arguments) -> dict[str, Any]:
        """Give back."""
        decision, more = order.pop("decision_id"), order.take("domain")
        order.done()
        return {"outcome": (await _done(self._clients[name].release(decision, **more))).outcome}

    async def do_close(self, name: str, order: Arguments) -> dict[str, Any]:
        """Close a client; it stays known, because an app may keep using it."""
        order.done()
        await _done(self._clients[name].close())
        return {}


async def _done(result: Any) -> Any:  # noqa: ANN401 - of either client
    return await result if inspect.isawaitable(result) else result


def _block(order: Arguments) -> tuple[Asking, Act]:
    act, rule = Arguments(order.pop("act", {})), order.take("on_error")
    asking = _asking(order)
    asking.options.update(rule)
    order.done()
    observe = tuple(_numbers(signals) for signals in act.pop("observe", []))
    taken = Act(act.pop("sleep_ms", 0) / 1000, observe, act.pop("keep_open", False), act.pop("raise", ""))
    act.done()
    return asking, taken


def _asking(order: Arguments) -> Asking:
    options = {name: _numbers(value) for name, value in order.take(*_NUMBERS).items()} | order.take("decision_id")
    return Asking(order.pop("domain"), order.pop("candidates"), options, order.pop("traceparent", ""))


def _numbers(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Read the numbers that JSON cannot write."""
    if isinstance(value, Mapping):
        return {key: _numbers(one) for key, one in value.items()}
    return _FLOATS.get(value, value) if isinstance(value, str) else value
