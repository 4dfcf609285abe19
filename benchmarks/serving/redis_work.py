"""The store's part of one decision, as the sidecar would send it: for peers that are to do the same Redis work.

Made by the sidecar's own planner from the benchmark's own request; only the decision id changes from call to call.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from serving import bodies
from sidecar.api.messages import ask_from
from sidecar.clock import SystemClock
from sidecar.engine.learner import Learner
from sidecar.engine.planning import plan
from sidecar.settings.file import read_configuration
from sidecar.store.lua import Script, script
from sidecar.store.wire import call_for
from sidecar.v1 import learning_pb2 as pb

PREFIX = "learning"


class RedisWork:
    """Arguments of EVALSHA for one decision after another.

    Args:
        config: the file of domains that the sidecar under test has, too.
        request: what is asked; the benchmark's usual request if nothing is said.
    """

    def __init__(self, config: Path, request: pb.RecommendRequest | None = None) -> None:
        """Plan once."""
        ask = ask_from(request or bodies.recommend())
        learner = Learner(ask.scope, read_configuration(config), SystemClock())
        issue, _ = plan(learner, ask, settled=True)
        call = call_for(PREFIX, issue)
        self.script: Script = script(call.script)
        self.keys = list(call.keys)
        self._fixed = [str(one) for one in call.arguments]
        self._planned = ask.decision_id
        self._named = [at for at, one in enumerate(self._fixed) if self._planned in one]

    def arguments(self, decision_id: str) -> list[str]:
        """What follows the keys."""
        made = self._fixed.copy()
        for at in self._named:
            made[at] = made[at].replace(self._planned, decision_id)
        return made

    def command(self) -> tuple[str | int, ...]:
        """EVALSHA with a fresh id."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.arguments(fresh_id()))


def fresh_id() -> str:
    """An id that no other decision has."""
    return secrets.token_hex(16)
