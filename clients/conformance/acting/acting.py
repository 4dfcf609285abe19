"""Lets one client act one scenario, and says whether it did so as it must."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from msgspec import UNSET

from acting.driver import Driver
from acting.errors import ConformanceError
from acting.expectation import differences, shown
from acting.orders import Close, Fake, Open
from acting.reading import filled
from acting.scenario import Scenario, Status, Step
from acting.sidecar import Sidecar
from acting.stages import Stage

PASSED = "pass"
PATIENT_MS = 5_000
"""What a client is opened with unless the scenario says more: a busy machine is no slow sidecar."""
_AGAIN_S = 0.05
_TOLD_MAX = 3


def act(scenario: Scenario, stage: Stage, driver: Driver) -> str:
    """Act it: `pass`, or `fail: ` and why."""
    acting = _Acting(stage, driver)
    try:
        for number, step in enumerate(scenario.steps, 1):
            wrong = acting.step(step)
            if wrong:
                return f"fail: step {number}, {_title(step)}: {'; '.join(wrong[:_TOLD_MAX])}"
        wrong = acting.close_all()
    except ConformanceError as error:
        return f"fail: {error}"
    finally:
        acting.leave_nothing_open()
    return f"fail: close: {'; '.join(wrong)}" if wrong else PASSED


def _title(step: Step) -> str:
    if step.order is not UNSET:
        return str(step.order.__struct_config__.tag)
    if step.peer is not UNSET:
        return f"what the peer saw of {step.peer}"
    return step.sidecar if isinstance(step.sidecar, str) else "status"


class _Acting:
    """One scenario on its way."""

    def __init__(self, stage: Stage, driver: Driver) -> None:
        self._stage = stage
        self._driver = driver
        self._names = stage.names()
        self._open: set[str] = set()

    def step(self, step: Step) -> list[str]:
        """Do one step, again if told so; say what is not as expected."""
        deadline = time.monotonic() + step.within_s
        while True:
            wrong = self._once(step)
            if not wrong or time.monotonic() >= deadline:
                return wrong
            time.sleep(_AGAIN_S)

    def close_all(self) -> list[str]:
        """Close the clients that are open, which must be possible always."""
        return [text for name in sorted(self._open) for text in self._ordered(Step(order=Close(client=name)))]

    def leave_nothing_open(self) -> None:
        """After a failure: a driver with clients of an old scenario would disturb the next ones."""
        if self._open and self._driver.alive:
            self._driver.kill()

    def _once(self, step: Step) -> list[str]:
        if step.order is not UNSET:
            return self._ordered(step)
        if step.wait_ms is not UNSET:
            time.sleep(step.wait_ms / 1000)
        elif step.peer is not UNSET:
            assert self._stage.peer
            return self._compared(step, self._stage.peer.seen(step.peer))
        elif self._stage.sidecar is not None:
            if isinstance(step.sidecar, str):
                self._stage.sidecar.strike(step.sidecar)
            elif step.sidecar is not UNSET:
                return self._looked(step, self._stage.sidecar, step.sidecar.status)
        return []

    def _looked(self, step: Step, sidecar: Sidecar, status: Status) -> list[str]:
        try:
            found = sidecar.status(**self._where(status))
        except ConformanceError as error:  # a sidecar whose store has just come back may need to be asked again
            return [str(error)]
        return self._compared(step, found)

    def _where(self, status: Status) -> dict[str, str]:
        return {"workspace": self._stage.workspace, **filled(msgspec.to_builtins(status), self._names)}

    def _ordered(self, step: Step) -> list[str]:
        order = step.order
        assert order is not UNSET
        sent = filled({**msgspec.to_builtins(order), "client": order.client}, self._names)
        if isinstance(order, Open):
            usual = {"address": self._stage.address, "workspace": self._stage.workspace, "timeout_ms": PATIENT_MS}
            sent = usual | sent
        answer = self._driver.ask(sent)
        if "unsupported" in answer:
            return [f"unsupported: {answer['unsupported']}"]
        if step.mistake:
            return [] if "mistake" in answer else [f"it is no mistake to the client: {shown(answer['ok'])}"]
        if "mistake" in answer:
            return [f"the client calls it a mistake: {answer['mistake']}"]
        if isinstance(order, (Open, Fake)):
            self._open.add(order.client)
        if isinstance(order, Close):
            self._open.discard(order.client)
        return self._compared(step, answer["ok"])

    def _compared(self, step: Step, found: Any) -> list[str]:  # noqa: ANN401 - what JSON has
        for name, key in step.keep.items():
            if not isinstance(found, dict) or key not in found:
                return [f"there is no {key} to keep"]
            self._names[name] = found[key]
        return [] if step.expect is UNSET else differences(filled(step.expect, self._names), found)
