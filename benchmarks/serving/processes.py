"""Processes that serve: each in a session of its own, with a log, ended in the end whatever happens."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from serving.errors import CannotMeasure

_LISTENS = re.compile(r"listens on ([^\s\"]+)")
_START_S, _STOP_S = 30.0, 15.0
# What the caller has set for its own sidecar must not reach the ones that are measured.
_LEFT_OUT = ("LEARNING_", "ENABLE_RL_", "REDIS_")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, and where its log is."""

    popen: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        """Its number."""
        return self.popen.pid

    def log(self) -> str:
        """What it wrote so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def address(self) -> str:
        """Where it listens, as soon as its log says so.

        Raises:
            CannotMeasure: it ended, or said nothing for long.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if found := _LISTENS.search(self.log()):
                return found[1]
            if self.popen.poll() is not None:
                break
            time.sleep(0.002)
        raise CannotMeasure(f"a server did not come up: {self.log().strip()[-500:]}")

    def stop(self) -> None:
        """End it, gently first."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Processes:
    """Starts processes and ends all of them, the last one first.

    Args:
        directory: for their logs.
        stack: ends them.
    """

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        """Nothing runs yet."""
        self._directory, self._stack, self._number = directory, stack, 0

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """Start one. Ctrl-C reaches only us: who started them ends them, in order."""
        self._number += 1
        log_path = self._directory / f"{self._number:02}-{name.replace('/', '-').replace(' ', '-')}.log"
        variables = {key: value for key, value in os.environ.items() if not key.startswith(_LEFT_OUT)}
        with log_path.open("wb") as log:
            popen = subprocess.Popen(
                [str(part) for part in command],
                env=variables | dict(environment or {}),
                cwd=self._directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started = Process(popen, log_path)
        self._stack.callback(started.stop)
        return started
