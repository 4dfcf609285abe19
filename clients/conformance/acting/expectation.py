"""Compares what came back with the part of it that a scenario expects.

A mapping expects these keys and leaves the others alone; a list expects its items one by one; a mapping with a
single key from `OPERATORS` is an operator; all else expects itself.

>>> differences({"arm": "small", "ask_ms": {"at_most": 50}}, {"arm": "large", "ask_ms": 3, "mode": "live"})
["arm is 'large', not 'small'"]
>>> differences({"shields": {"length": 1}}, {"shields": []})
['shields has 0 items, not 1']
>>> differences({"decisions": {"each": {"acted": True}}}, {"decisions": [{"acted": True}, {"acted": False}]})
['decisions[1].acted is False, not True']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

MISSING = object()
"""What is found where there is no such key."""
_SHOWN_MAX = 200


def differences(expected: object, found: object, at: str = "") -> list[str]:
    """Say what is not as expected, one sentence each; nothing when all is."""
    return list(_differences(expected, found, at))


def _differences(expected: Any, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - what YAML and JSON have
    operator = operator_of(expected)
    if operator:
        yield from OPERATORS[operator](expected[operator], found, at or "the answer")
    elif isinstance(expected, Mapping):
        if not isinstance(found, Mapping):
            yield f"{at or 'the answer'} is {shown(found)}, not an object"
            return
        for key, value in expected.items():
            yield from _differences(value, found.get(key, MISSING), f"{at}.{key}" if at else str(key))
    elif isinstance(expected, list):
        yield from _listed(expected, found, at)
    elif not _same(expected, found):
        yield f"{at or 'the answer'} is {shown(found)}, not {shown(expected)}"


def operator_of(expected: object) -> str | None:
    """Name the operator that an expectation is, if it is one."""
    if isinstance(expected, Mapping) and len(expected) == 1:
        (key,) = expected
        return key if key in OPERATORS else None
    return None


def _listed(expected: list[Any], found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(found, list) or len(found) != len(expected):
        yield f"{at} is {shown(found)}, not a list like {shown(expected)}"
        return
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        yield from _differences(one, other, f"{at}[{number}]")


def _same(expected: Any, found: Any) -> bool:  # noqa: ANN401
    """Numbers by value, but true is not 1."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    return bool(expected == found)


def shown(value: object) -> str:
    """Make a value fit into a sentence."""
    if value is MISSING:
        return "absent"
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."


def _one_of(allowed: list[Any], found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if all(differences(one, found) for one in allowed):
        yield f"{at} is {shown(found)}, none of {shown(allowed)}"


def _all_of(claims: list[Any], found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    for claim in claims:
        yield from _differences(claim, found, at)


def _each(claim: Any, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(found, list) or not found:
        yield f"{at} is {shown(found)}, not a list with items"
        return
    for number, one in enumerate(found):
        yield from _differences(claim, one, f"{at}[{number}]")


def _between(bounds: list[float], found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    low, high = bounds
    if not _number(found) or not low <= found <= high:
        yield f"{at} is {shown(found)}, not between {low} and {high}"


def _at_most(high: float, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if not _number(found) or found > high:
        yield f"{at} is {shown(found)}, not at most {high}"


def _at_least(low: float, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if not _number(found) or found < low:
        yield f"{at} is {shown(found)}, not at least {low}"


def _number(found: object) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool)


def _absent(wanted: bool, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    there = found is not MISSING and found is not None and found not in ("", [], {})
    if wanted and there:
        yield f"{at} is {shown(found)}, not absent"
    if not wanted and not there:
        yield f"{at} is absent"


def _length(size: int, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(found, (list, str, Mapping)) or len(found) != size:
        have = f"has {len(found)} items" if isinstance(found, (list, str, Mapping)) else f"is {shown(found)}"
        yield f"{at} {have}, not {size}"


def _contains(part: Any, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    if isinstance(found, list):
        if all(differences(part, one) for one in found):
            yield f"{at} is {shown(found)}, without {shown(part)}"
    elif not isinstance(found, str) or part not in found:
        yield f"{at} is {shown(found)}, without {shown(part)}"


def _distinct(key: str, found: Any, at: str) -> Iterator[str]:  # noqa: ANN401
    values = [one.get(key) if isinstance(one, Mapping) else None for one in found] if isinstance(found, list) else []
    if not values or None in values or len(set(values)) != len(values):
        yield f"{at} has {shown(values)} as {key}, not all distinct"


OPERATORS: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "absent": _absent,
    "all_of": _all_of,
    "at_least": _at_least,
    "at_most": _at_most,
    "between": _between,
    "contains": _contains,
    "distinct": _distinct,
    "each": _each,
    "length": _length,
    "one_of": _one_of,
}
