"""What the parent answers on the management port: what its workers answer, put together."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.parse import urlencode

from sidecar.ops.management import HTML, JSON, Answer, Route, verdict
from sidecar.ops.page import PAGE
from sidecar.ops.probes import LOOP_STALL_S
from sidecar.ops.workers.fleet import Fleet
from sidecar.telemetry.exposition import CONTENT_TYPE, merged

_TIMEOUT_S = LOOP_STALL_S + 1.0
_OK = "200 OK"
_NOBODY: Answer = ("503 Service Unavailable", JSON, json.dumps({"error": "no worker answers"}).encode())


def fleet_routes(fleet: Fleet) -> Mapping[str, Route]:
    """The paths of a parent.

    Alive while every worker is; ready while any is. The page is one worker's: it shows the store, which they share.
    """
    return {
        "/livez": lambda _: verdict(all(status == _OK for status, _, _ in _asked(fleet, "/livez").values())),
        "/readyz": lambda query: _readiness(fleet, query),
        "/startupz": lambda _: verdict(fleet.complete),
        "/metrics": lambda _: ("200 OK", CONTENT_TYPE, merged(_texts(fleet, "/metrics"), "worker").encode()),
        "/status.json": lambda query: _first(fleet, "/status.json?" + urlencode(query)),
        "/": lambda _: ("200 OK", HTML, PAGE.encode()),
    }


def _readiness(fleet: Fleet, query: dict[str, str]) -> Answer:
    answers = {} if fleet.stopping else _asked(fleet, "/readyz?verbose")
    ready = any(status == _OK for status, _, _ in answers.values())
    if "verbose" not in query:
        return verdict(ready)
    facts = {"ready": ready, "workers": {number: json.loads(body) for number, (_, _, body) in answers.items()}}
    return _OK if ready else _NOBODY[0], JSON, json.dumps(facts).encode()


def _texts(fleet: Fleet, path: str) -> dict[str, str]:
    return {str(number): body.decode() for number, (status, _, body) in _asked(fleet, path).items() if status == _OK}


def _first(fleet: Fleet, path: str) -> Answer:
    """What one worker answers, or the next one when that is not well."""
    answer = _NOBODY
    for address in fleet.managements().values():
        answer = _fetched(f"http://{address}{path}")
        if answer[0] == _OK:
            break
    return answer


def _asked(fleet: Fleet, path: str) -> dict[int, Answer]:
    """What each worker answers; those of them that cannot be asked answer nobody."""
    addresses = fleet.managements()
    if not addresses:
        return {}
    with ThreadPoolExecutor(len(addresses)) as pool:
        answers = pool.map(lambda address: _fetched(f"http://{address}{path}"), addresses.values())
        return dict(zip(addresses, answers, strict=True))


def _fetched(url: str) -> Answer:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - a worker's, on loopback
            return f"{answer.status} {answer.reason}", answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.reason}", error.headers["Content-Type"], error.read()
    except (OSError, HTTPException):
        return _NOBODY
