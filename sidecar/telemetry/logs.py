"""Logs: one line a decision at debug, one line an administrative change at info; JSON on request."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from sidecar.model.mode import STAGES
from sidecar.telemetry.events import Administered, Decided, Event, GateMoved, Reported

_log = logging.getLogger("sidecar.decisions")


def configure_logs(level: str, form: str) -> None:
    """Write logs to standard error.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("asyncio", "grpc", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.INFO, logging.getLevelName(level.upper())))


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO sidecar.engine: message key=value`, times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback if there is one."""
        facts = " ".join(f"{key}={value}" for key, value in _facts(record).items())
        line = f"{_moment(record)} {record.levelname} {record.name}: {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its facts as members."""
        whole = {"time": _moment(record), "level": record.levelname.lower(), "logger": record.name}
        whole |= {"message": record.getMessage(), **_facts(record)}
        if record.exc_info:
            whole["exception"] = self.formatException(record.exc_info)
        return json.dumps(whole, default=str)


def log_event(event: Event) -> None:
    """Observe one event."""
    match event:
        case Decided() if _log.isEnabledFor(logging.DEBUG):
            _log.debug("decided", extra={"facts": _decision_facts(event)})
        case Reported() if _log.isEnabledFor(logging.DEBUG):
            facts = {"decision_id": event.decision_id, "outcome": event.outcome, "reward": event.reward}
            _log.debug("reported", extra={"facts": _scope_facts(event) | facts | _took(event.seconds)})
        case Administered():
            _log.info("%s: %s", event.what, event.message, extra={"facts": _scope_facts(event)})
        case GateMoved(_, moved):
            facts = {"attempt": moved.attempt, "decisions": moved.decisions}
            facts |= {"checkpoint_restored": moved.checkpoint_restored}
            level = logging.INFO if STAGES.index(moved.after) > STAGES.index(moved.before) else logging.WARNING
            _log.log(
                level,
                "gate: %s -> %s: %s",
                moved.before,
                moved.after,
                moved.reason,
                extra={"facts": _scope_facts(event) | facts},
            )
        case _:
            return


def _decision_facts(event: Decided) -> dict[str, Any]:
    one = event.decision
    return (
        _scope_facts(event)
        | {"decision_id": one.decision_id, "arm": one.arm, "baseline": one.baseline, "proposal": one.proposal}
        | {"propensity": one.propensity, "mode": str(one.mode), "source": str(one.source)}
        | {"shields": [f"{action.shield}:{action.effect}:{action.arm}" for action in one.shields]}
        | _took(event.seconds)
    )


def _scope_facts(event: Event) -> dict[str, Any]:
    return dict(event.scope._asdict())


def _took(seconds: float) -> dict[str, Any]:
    return {"took_ms": round(seconds * 1000, 3)}


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "facts", {})


def _moment(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
