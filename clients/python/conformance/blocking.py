"""An ordinary app that blocks: how `LearningClient` is used."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from learning_client import LearningClient, Refused
from learning_client.testing import FakeLearning

from conformance.seen import Act, ActFailed, Asking, Seen

Client = LearningClient
Fake = FakeLearning


def block(client: LearningClient, asking: Asking, act: Act) -> Seen:
    """Decide, act and report in a block."""
    seen = Seen()
    failure: BaseException = KeyboardInterrupt() if act.fails == "cancel" else ActFailed()
    try:
        with (
            asking.traced(),
            client.decide(asking.domain, asking.candidates, **asking.options) as decision,
        ):
            seen.asked(decision)
            if decision.refused:
                return seen
            seen.acted = True
            time.sleep(act.sleep_s)
            for signals in act.observe:
                decision.observe(**signals)
            if act.keep_open:
                decision.keep_open()
            if act.fails:
                raise failure
    except (ActFailed, KeyboardInterrupt) as raised:
        seen.raised = raised is failure
    return seen


def learn(client: LearningClient, asking: Asking, act: Act) -> Seen:
    """Decide, act and report in one call."""
    seen = Seen()

    def execute(arm: str) -> str:
        seen.asked()
        seen.acted = True
        time.sleep(act.sleep_s)
        return arm

    try:
        with asking.traced():
            learned = client.learn(
                asking.domain, asking.candidates, execute,
                score=lambda _: act.score(),
                **asking.options,
            )  # fmt: skip
        seen.decision = learned.decision
    except Refused as refused:
        seen.asked(refused.decision)
    return seen


def together(client: LearningClient, times: int, asking: Asking, act: Act) -> list[Seen]:
    """So many blocks at once, each in a thread."""
    with ThreadPoolExecutor(times) as pool:
        blocks = [pool.submit(block, client, asking, act) for _ in range(times)]
        return [one.result() for one in blocks]
