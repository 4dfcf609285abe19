"""Which server it is, how far away, and what its clock says."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from sidecar.ops.doctoring.facts import Facts
from sidecar.ops.doctoring.finding import Finding, not_allowed, ok, problem, warning

Version = tuple[int, ...]

_OLDEST: dict[str, Version] = {"Redis": (7, 0), "Valkey": (7, 2)}
_LUA_FIXED: dict[str, tuple[Version, ...]] = {
    "Redis": ((7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    "Valkey": ((7, 2, 11), (8, 0, 6), (8, 1, 4)),
}
"""Where CVE-2025-49844, -46817, -46818 and -46819 were fixed: whoever may run scripts could take the server over."""
_NEAR_MS = 5.0
_SKEW_MS = 1000.0


def name_and_version(facts: Facts) -> tuple[str, str]:
    """Redis or Valkey, and its version."""
    if "valkey_version" in facts.info:
        return "Valkey", facts.info["valkey_version"]
    return "Redis", facts.info.get("redis_version", "")


def version_of(text: str) -> Version:
    """Numbers to compare.

    >>> version_of("7.2.11"), version_of("8.0.0-rc1")
    ((7, 2, 11), (8, 0, 0))
    """
    return tuple(int(part) for part in text.partition("-")[0].split(".") if part.isdigit())


def findings(facts: Facts) -> Iterator[Finding]:
    """All about the server itself."""
    yield _version(facts)
    yield from _lua(facts)
    yield _latency(facts)
    yield _clock(facts)


def _version(facts: Facts) -> Finding:
    name, text = name_and_version(facts)
    if not text:
        return not_allowed("version", "INFO")
    oldest = _OLDEST[name]
    if version_of(text) < oldest:
        needed = ".".join(map(str, oldest))
        return problem("version", f"{name} {text}: scripts need at least {name} {needed}", f"upgrade {name}")
    return ok("version", f"{name} {text}")


def _lua(facts: Facts) -> Iterator[Finding]:
    name, text = name_and_version(facts)
    version, fixes = version_of(text), _LUA_FIXED[name]
    safe = any(version[:2] == fix[:2] and version >= fix for fix in fixes) or version[:2] > fixes[-1][:2]
    if text and not safe:
        newer = [fix for fix in fixes if fix[:2] >= version[:2]]
        yield warning(
            "lua",
            f"{name} {text} runs Lua with CVE-2025-49844 and its kin, by which whoever may run scripts can take the "
            "server over, unless your distributor has mended it",
            f"upgrade to {name} {'.'.join(map(str, newer[0]))} or later",
        )


def _latency(facts: Facts) -> Finding:
    if not facts.round_trips_ms:
        return not_allowed("latency", "TIME")
    typical, longest = median(facts.round_trips_ms), max(facts.round_trips_ms)
    told = f"a round trip takes {typical:.2f} ms, at most {longest:.2f} ms of {len(facts.round_trips_ms)}"
    if longest > facts.timeout_ms / 2:
        return problem(
            "latency", f"{told}; LEARNING_STORE_TIMEOUT_MS is {facts.timeout_ms:g}", "bring the server nearer"
        )
    if typical > _NEAR_MS:
        return warning("latency", f"{told}; every decision takes one", "bring the server nearer")
    return ok("latency", told)


def _clock(facts: Facts) -> Finding:
    if facts.skew_ms is None:
        return not_allowed("clock", "TIME")
    told = f"the server's clock is {abs(facts.skew_ms):.0f} ms {'ahead' if facts.skew_ms > 0 else 'behind'}"
    if abs(facts.skew_ms) > _SKEW_MS + min(facts.round_trips_ms):
        message = f"{told}; deadlines and budgets go by it, logs by ours"
        return warning("clock", message, "let both follow the same time servers")
    return ok("clock", told)
