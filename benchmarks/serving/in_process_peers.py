"""Libraries that decide in the caller's own process, without a network or a promise: run by a Python of their own.

    PYTHON benchmarks/serving/in_process_peers.py litellm --redis-url unix:///... --seconds 1

Prints one JSON object: decisions a second, processor time of a decision, and what exactly a decision was.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

_FLIGHT = 16
_ARMS = ("arm-00000", "arm-00001", "arm-00002")


def main() -> None:
    """Measure one library."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("library", choices=tuple(_MEASURES))
    parser.add_argument("--redis-url", default="")
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    version = importlib.metadata.version(options.library)
    print(json.dumps({"version": version, **_MEASURES[options.library](options)}))


def _litellm(options: argparse.Namespace) -> dict[str, Any]:
    os.environ |= {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    from litellm import Router  # noqa: PLC0415 - its own Python has it

    deployments = [
        {
            "model_name": "route",
            "litellm_params": {
                "model": f"openai/{name}", "api_key": "none", "mock_response": "ok", "tpm": 10**9, "rpm": 10**9,
            },
        }
        for name in _ARMS
    ]  # fmt: skip
    messages: Any = [{"role": "user", "content": "hello"}]

    async def measured() -> dict[str, Any]:
        router = Router(model_list=deployments, routing_strategy="usage-based-routing-v2", redis_url=options.redis_url)

        async def choose() -> object:
            return await router.async_get_available_deployment(model="route", messages=messages, request_kwargs={})

        async def complete() -> object:
            return await router.acompletion(model="route", messages=messages)

        await complete()
        return {
            "choice": await _in_flight(choose, options.seconds) | {"what": "choose a deployment"},
            "whole": await _in_flight(complete, options.seconds)
            | {"what": "choose, a mocked completion, and its usage written to Redis"},
            "note": f"Router, usage-based-routing-v2, {_FLIGHT} in flight, in the caller's process: "
            "no server, no network but to Redis",
        }

    return asyncio.run(measured())


def _vowpalwabbit(options: argparse.Namespace) -> dict[str, Any]:
    from vowpalwabbit import pyvw  # noqa: PLC0415 - its own Python has it

    learner, rng = pyvw.Workspace("--cb_explore_adf --epsilon 0.1 --quiet"), random.Random(1)

    def decide() -> None:
        actions = [f"|a arm={name}" for name in _ARMS]
        probabilities = learner.predict("\n".join(["shared |c x=1", *actions]))
        k = rng.choices(range(len(_ARMS)), probabilities)[0]
        actions[k] = f"0:{-rng.random()}:{probabilities[k]} {actions[k]}"
        learner.learn("\n".join(["shared |c x=1", *actions]))

    return {"whole": _alone(decide, options.seconds) | {"what": "predict, draw and learn, 3 actions"}, "note": _ALONE}


def _mabwiser(options: argparse.Namespace) -> dict[str, Any]:
    from mabwiser.mab import MAB, LearningPolicy  # noqa: PLC0415 - its own Python has it

    bandit, rng = MAB(list(_ARMS), LearningPolicy.ThompsonSampling(), seed=1), random.Random(1)
    bandit.fit(list(_ARMS), [1, 0, 1])

    def decide() -> None:
        bandit.partial_fit([bandit.predict()], [rng.randrange(2)])

    return {"whole": _alone(decide, options.seconds) | {"what": "predict and learn, 3 arms"}, "note": _ALONE}


_ALONE = "a library in the caller's process: nothing is shared, kept, or reserved"
_MEASURES = {"litellm": _litellm, "vowpalwabbit": _vowpalwabbit, "mabwiser": _mabwiser}


async def _in_flight(call: Callable[[], Awaitable[object]], seconds: float) -> dict[str, float]:
    began, cpu, done = time.perf_counter(), time.process_time(), 0

    async def again() -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            await call()
            done += 1

    await asyncio.gather(*(again() for _ in range(_FLIGHT)))
    return _figures(done, time.perf_counter() - began, time.process_time() - cpu)


def _alone(call: Callable[[], None], seconds: float) -> dict[str, float]:
    began, cpu, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        call()
        done += 1
    return _figures(done, time.perf_counter() - began, time.process_time() - cpu)


def _figures(done: int, elapsed: float, cpu: float) -> dict[str, float]:
    return {"rate": done / elapsed, "cpu_us": cpu / done * 1e6}


if __name__ == "__main__":
    main()
