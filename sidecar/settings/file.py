"""The configuration file: domains, defaults and workspace budgets, in YAML or TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from sidecar.errors import InvalidInput, InvalidSettings
from sidecar.model.mode import Mode
from sidecar.model.names import valid_name
from sidecar.model.signals import Signal
from sidecar.settings.domain import BudgetSettings, DomainSettings, as_builtins

T = TypeVar("T")

_AT = re.compile(r" - at (?:`key` in )?`\$")
_STEP = re.compile(r"\[\.\.\.\]|[^.\[\]`]+")
_ANY = "[...]"


class WorkspaceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is declared for a whole workspace."""

    budget: BudgetSettings = field(default_factory=BudgetSettings)
    """Over all its domains together."""


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """A configuration file, as written."""

    defaults: dict[str, Any] = field(default_factory=dict)
    """Settings of a domain, for every domain that does not say otherwise."""
    domains: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by domain, laid over the defaults key by key."""
    workspaces: dict[str, WorkspaceSettings] = field(default_factory=dict)
    """By `tenant/workspace`; the entry `*` is for every workspace that has none of its own."""


class Configuration:
    """What is declared, ready to be asked.

    Args:
        document: the file's content; an empty one declares nothing.

    Raises:
        InvalidSettings: names the key.
    """

    def __init__(self, document: Document | None = None) -> None:
        """Validate every domain at once, so that a bad file never starts."""
        self._document = document or Document()
        self.defaults = domain_settings(self._document.defaults, path="defaults")
        self.domains: dict[str, DomainSettings] = {}
        for name, values in self._document.domains.items():
            _check_name(f"domains.{name}", name)
            laid = lay_over(self._document.defaults, values)
            self.domains[name] = domain_settings(laid, path=f"domains.{name}")

    def domain(self, name: str) -> DomainSettings:
        """The settings of a domain; the defaults when it is not declared."""
        return self.domains.get(name, self.defaults)

    def domain_with(self, name: str, overrides: Mapping[str, Any]) -> DomainSettings:
        """The settings of a domain with others laid over.

        Raises:
            InvalidSettings: names the key, below `settings`.
        """
        return domain_settings(lay_over(as_builtins(self.domain(name)), overrides), path="settings")

    def with_domain(self, name: str, overrides: Mapping[str, Any]) -> Configuration:
        """This configuration with others laid over one domain's settings.

        Raises:
            InvalidSettings: as for `domain_with`.
        """
        changed = Configuration(self._document)
        changed.domains[name] = self.domain_with(name, overrides)
        return changed

    def workspace_budget(self, tenant: str, workspace: str) -> BudgetSettings:
        """The budget over all domains of a workspace."""
        declared = self._document.workspaces
        entry = declared.get(f"{tenant}/{workspace}") or declared.get("*")
        return entry.budget if entry else BudgetSettings()


def _from_yaml(text: str) -> Any:  # noqa: ANN401 - any document
    import yaml  # noqa: PLC0415 - a megabyte, which a sidecar without such a file does not need

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def plain_document(path: Path) -> Any:  # noqa: ANN401 - any document
    """The content of a file of YAML (which JSON is), or of TOML if its suffix is .toml.

    Raises:
        OSError: it cannot be read.
        ValueError: it cannot be decoded or parsed.
    """
    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else _from_yaml(text)


def read_configuration(path: Path | None) -> Configuration:
    """Read a file by its suffix (.yaml, .yml, .toml); None gives the defaults.

    Raises:
        InvalidSettings: the file cannot be read, or a key has a value that is not allowed.
    """
    if path is None:
        return Configuration()
    try:
        raw = plain_document(path)
    except (OSError, ValueError) as error:  # whatever cannot be decoded or parsed is a ValueError
        raise InvalidSettings(str(path), str(error), "a readable YAML or TOML file") from error
    return Configuration(converted(raw or {}, Document, path=""))


def domain_settings(values: Mapping[str, Any], *, path: str) -> DomainSettings:
    """Typed settings from plain values.

    Raises:
        InvalidSettings: names the key below `path`.
    """
    settings = converted(values, DomainSettings, path=path)
    for name, declared in settings.reward.signals.items():
        if not declared.high > declared.low:
            raise InvalidSettings(
                f"{path}.reward.signals.{name}.high", declared.high, f"more than low ({declared.low:g})"
            )
        if name in (Signal.COST_USD, Signal.LATENCY_MS) and declared.low < 0:
            raise InvalidSettings(f"{path}.reward.signals.{name}.low", declared.low, "0 or more")
    if not any(declared.weight for declared in settings.reward.signals.values()):
        raise InvalidSettings(f"{path}.reward.signals", "only weights of 0", "at least one weight above 0")
    if settings.mode in (Mode.CANARY, Mode.LIVE):
        raise InvalidSettings(
            f"{path}.mode", str(settings.mode), "off, shadow, gated or ungated; others are pinned by SetMode"
        )
    for arm in settings.arms:
        _check_name(f"{path}.arms.{arm}", arm)
    return settings


def converted(values: object, kind: type[T], *, path: str, strict: bool = True) -> T:
    """Plain values as `kind`, or InvalidSettings that names the key below `path`."""
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        message, _, where = _AT.sub("\n", str(error)).partition("\n")
        steps = _named_steps(values, kind, _STEP.findall(where), message, strict=strict)
        raise InvalidSettings(
            ".".join([path, *steps]).strip(".") or "settings", _value_at(values, steps), message
        ) from error


def lay_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, key by key and table by table; a policy or signals table replaces the whole."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        whole = key in ("policy", "signals") or not (isinstance(value, Mapping) and isinstance(under, Mapping))
        merged[key] = value if whole or not isinstance(under, Mapping) else lay_over(under, value)
    return merged


def _check_name(key: str, name: str) -> None:
    try:
        valid_name(key, name)
    except InvalidInput as error:
        raise InvalidSettings(key, name, error.allowed) from error


def _named_steps(values: object, kind: type, steps: list[str], message: str, *, strict: bool) -> list[str]:
    """The steps to a wrong value, with `[...]`, which stands for any key of a table, replaced by the key."""
    for at, step in enumerate(steps):
        table = _value_at(values, steps[:at])
        if step != _ANY or not isinstance(table, Mapping):
            continue
        for key in table:
            alone = _with(values, steps[:at], {key: table[key]})
            try:
                msgspec.convert(alone, kind, strict=strict)
            except msgspec.ValidationError as error:
                if str(error).startswith(message):
                    steps, values = [*steps[:at], str(key), *steps[at + 1 :]], alone
                    break
    return steps


def _with(values: Any, steps: list[str], part: object) -> object:  # noqa: ANN401 - tables of any values
    """The values with `part` at the end of the steps."""
    return {**values, steps[0]: _with(values[steps[0]], steps[1:], part)} if steps else part


def _value_at(values: Any, steps: list[str]) -> object:  # noqa: ANN401 - tables of any values
    for step in steps:
        if isinstance(values, Mapping):
            values = values.get(step)
        elif isinstance(values, list | tuple) and step.isdigit():
            values = values[int(step)]
    return values
