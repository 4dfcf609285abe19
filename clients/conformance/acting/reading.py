"""Reads scenarios, and refuses what cannot be acted: every error names the file, and the step if it is in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import UNSET

from acting.errors import BadScenario
from acting.expectation import operator_of
from acting.scenario import Scenario, Step

DIRECTORY = Path(__file__).parent.parent / "scenarios"

# What an `$name` may stand for without having been kept.
GIVEN = frozenset({"address", "workspace", "ca", "cert", "key", "other_ca", "thousand", "thousand_and_one"})


def scenarios(directory: Path = DIRECTORY) -> list[Scenario]:
    """Read all scenarios, by name.

    Raises:
        BadScenario: one is not what it should be, or there is none.
    """
    found = [scenario(file) for file in sorted(directory.glob("*.yaml"))]
    if not found:
        raise BadScenario(f"{directory}: there is no scenario")
    return found


def scenario(file: Path) -> Scenario:
    """Read one scenario.

    Raises:
        BadScenario: it is not what it should be.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BadScenario(f"{file.name}: {error}") from None
    read = _converted(file, content)
    read.name = file.stem
    if sum((read.sidecar is not UNSET, read.peer is not UNSET, read.nobody)) > 1:
        raise BadScenario(f"{file.name}: sidecar, peer and nobody exclude each other")
    known = GIVEN | {f"{token}_token" for token in read.setting.tokens}
    for number, step in enumerate(read.steps, 1):
        for wrong in (*_kind(read, step), *_expected(step), *_unknown_names(step, known)):
            raise BadScenario(f"{file.name}: step {number}: {wrong}")
        known |= set(step.keep)
    return read


def _converted(file: Path, content: object) -> Scenario:
    """Convert step by step, so that an error names the step."""
    if not isinstance(content, dict) or not isinstance(content.get("steps"), list) or not content["steps"]:
        raise BadScenario(f"{file.name}: a scenario has `about` and a list of `steps`")
    if "name" in content:
        raise BadScenario(f"{file.name}: a scenario's name is that of its file")
    for number, step in enumerate(content["steps"], 1):
        try:
            msgspec.convert(step, Step)
        except msgspec.ValidationError as error:
            raise BadScenario(f"{file.name}: step {number}: {error}") from None
    try:
        return msgspec.convert(content, Scenario)
    except msgspec.ValidationError as error:
        raise BadScenario(f"{file.name}: {error}") from None


def _kind(read: Scenario, step: Step) -> Iterator[str]:
    """Exactly one thing is done, and it can be done here."""
    done = [name for name in ("order", "sidecar", "peer", "wait_ms") if getattr(step, name) is not UNSET]
    if len(done) != 1:
        yield f"a step has one of order, sidecar, peer and wait_ms, not {' and '.join(done) or 'none'}"
    elif done == ["peer"] and read.peer is UNSET:
        yield "there is no peer to look at"
    elif done == ["sidecar"] and (read.peer is not UNSET or read.nobody):
        yield "there is no sidecar here"


def _expected(step: Step) -> Iterator[str]:
    """An answer is expected only where one comes, and with the keys that it can have."""
    if step.order is UNSET:
        looks = step.peer is not UNSET or (step.sidecar is not UNSET and not isinstance(step.sidecar, str))
        if step.mistake or step.keep or (step.expect is not UNSET and not looks):
            yield "nothing comes back that could be expected or kept"
        if looks and step.expect is UNSET:
            yield "looks and expects nothing"
        return
    if step.mistake and (step.expect is not UNSET or step.keep):
        yield "a mistake has no answer that could be expected or kept"
    asked = set(step.keep.values())
    if isinstance(step.expect, Mapping) and operator_of(step.expect) is None:
        asked |= set(step.expect)
    for key in sorted(asked - step.order.answers):
        yield f"the answer to {step.order.__struct_config__.tag} has no {key!r}"


def _unknown_names(step: Step, known: frozenset[str] | set[str]) -> Iterator[str]:
    order = {} if step.order is UNSET else msgspec.to_builtins(step.order)
    for name in sorted(set(_names([order, step.expect if step.expect is not UNSET else None])) - known):
        yield f"${name} is not known here"


def _names(value: Any) -> Iterator[str]:  # noqa: ANN401 - what YAML has
    if isinstance(value, str) and value.startswith("$"):
        yield value[1:]
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _names(one)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)


def filled(value: Any, names: Mapping[str, object]) -> Any:  # noqa: ANN401 - likewise
    """Put in what each `$name` stands for."""
    if isinstance(value, str) and value.startswith("$"):
        return names[value[1:]]
    if isinstance(value, Mapping):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    return value
