"""A driver of a client: a process that is given orders and answers each in one line."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any

from acting.errors import DriverFailed

ANSWER_S = 30.0
_END_S = 10.0
_ERRORS_SHOWN = 400


class Driver:
    """A running driver. It is killed when it is silent for too long."""

    def __init__(self, command: Sequence[str], directory: Path, log: Path) -> None:
        """Start it; what it says on standard error goes to `log`.

        Raises:
            DriverFailed: there is no such program.
        """
        self._log = log
        self._numbers = count(1)
        try:
            with log.open("ab") as errors:
                self._process = subprocess.Popen(  # noqa: S603 - what languages.yaml says
                    command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
                )
        except OSError as error:
            raise DriverFailed(f"its driver does not start: {error}") from None
        assert self._process.stdin
        assert self._process.stdout
        self._orders: IO[bytes] = self._process.stdin
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def ask(self, order: dict[str, Any], timeout_s: float = ANSWER_S) -> dict[str, Any]:
        """Give an order and wait for its answer.

        Raises:
            DriverFailed: it ended, was silent, or answered something else.
        """
        number = next(self._numbers)
        line = json.dumps({"id": number, **order}, ensure_ascii=False)
        try:
            self._orders.write(line.encode() + b"\n")
            self._orders.flush()
            said = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            self.kill()
            raise DriverFailed(f"its driver did not answer {order['op']} within {timeout_s:g} s") from None
        except OSError:
            said = b""
        return self._answer(number, order["op"], said)

    @property
    def alive(self) -> bool:
        """Whether it can be given orders."""
        return self._process.poll() is None

    def end(self) -> str:
        """Close its input; say what is wrong with how it ended, or nothing."""
        with contextlib.suppress(OSError):
            self._orders.close()
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"its driver did not end within {_END_S:g} s of the end of its input"
        self._listener.join()
        return f"its driver ended with {code}{self._last_errors()}" if code else ""

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        with contextlib.suppress(OSError):  # what could not be written to it any more
            self._orders.close()
        self._process.wait()
        self._listener.join()

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._answers.put(line)
        self._answers.put(b"")

    def _answer(self, number: int, op: str, said: bytes) -> dict[str, Any]:
        if not said:
            self.kill()
            raise DriverFailed(f"its driver ended at {op}{self._last_errors()}")
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or answer.get("id") != number or len(_KINDS & answer.keys()) != 1:
            self.kill()
            raise DriverFailed(f"its driver answered {op} with {said[:_ERRORS_SHOWN]!r}")
        return answer

    def _last_errors(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace").strip()[-_ERRORS_SHOWN:]
        return f": {text}" if text else ""


_KINDS = {"ok", "mistake", "unsupported"}
