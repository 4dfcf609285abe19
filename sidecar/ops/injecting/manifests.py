"""Manifests in, manifests with the sidecar out: what the webhook does (but for one entry)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import yaml

from sidecar.errors import InvalidInput
from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.injection import Outcome, inject
from sidecar.ops.injecting.patch import Operation
from sidecar.ops.injecting.pod import Pod

_TEMPLATES = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where each kind keeps its pod."""
_OURS = ("v1", "apps/v1", "batch/v1")

_SEPARATOR = re.compile(r"^---(?=\s|$)[^\S\n]*(?:#.*)?\n?", flags=re.MULTILINE)


_INT, _FLOAT, _BOOL = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool"))
_DIGITS = list("-+0123456789")
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """Reads scalars as Kubernetes does: a date is text, a ratio such as 1:30 too, and 1e3 is a number."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, form) for tag, form in resolvers if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?(0b[01]+|0x[0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)$"), _DIGITS)
_Loader.add_implicit_resolver(_FLOAT, _EXPONENT, _DIGITS)


class _Dumper(yaml.SafeDumper):
    """Quotes what Kubernetes, unlike this library, would not take for text; and writes everything out."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library asks so
        """Write nothing as a reference to something else."""
        return True


_Dumper.add_implicit_resolver(_INT, re.compile(r"0o[0-7]+$"), ["0"])
_Dumper.add_implicit_resolver(_FLOAT, _EXPONENT, _DIGITS)
_Dumper.add_implicit_resolver(_BOOL, re.compile(r"[yYnN]$"), list("yYnN"))


class Manifest(NamedTuple):
    """One document with what became of it; `outcome` is None where there is no pod in it."""

    text: str
    title: str
    outcome: Outcome | None
    warnings: list[str]


def with_sidecar(text: str, declared: Declared) -> Iterator[Manifest]:
    """Each document of a stream of YAML (or JSON), in order; those without a pod as they were written.

    Raises:
        InvalidInput: it cannot be parsed.
    """
    for written in _SEPARATOR.split(text):
        try:
            document = yaml.load(written, _Loader)  # noqa: S506 - a SafeLoader
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InvalidInput("manifest", str(error), "YAML or JSON") from error
        if document is None:
            continue
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else [document]
        found = [_injected(item, declared) for item in items or ()]
        changed = any(one.outcome is Outcome.INJECTED for one in found)
        whole = _written(document, as_json=written.lstrip().startswith("{")) if changed else written.strip("\n") + "\n"
        titles = ", ".join(one.title for one in found)
        outcomes = [one.outcome for one in found if one.outcome is not None]
        warnings = [f"{one.title}: {warning}" for one in found for warning in one.warnings]
        outcome = Outcome.INJECTED if changed else outcomes[0] if outcomes else None
        yield Manifest(whole, titles, outcome, warnings)


def _injected(item: Any, declared: Declared) -> Manifest:  # noqa: ANN401 - any document
    """Put the sidecar into one object, where it stands. Others than Kubernetes have kinds of these names too."""
    kind = item.get("kind", "") if isinstance(item, dict) else ""
    where = _TEMPLATES.get(kind) if isinstance(item, dict) and item.get("apiVersion", "v1") in _OURS else None
    if where is None:
        return Manifest("", str(kind), None, [])
    title = f"{kind} {(item.get('metadata') or {}).get('name', '')}".rstrip()
    try:
        pod = item
        for step in where:
            pod = pod[step]
        injection = inject(msgspec.convert(pod, Pod), declared, in_manifest=True)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise InvalidInput(title, str(error), "a pod as Kubernetes takes it") from error
    apply(injection.operations, pod)
    return Manifest("", title, injection.outcome, injection.warnings)


def apply(operations: list[Operation], document: Any) -> None:  # noqa: ANN401 - any document
    """Carry out a patch that only adds.

    >>> pod = {"volumes": [1]}
    >>> apply([{"op": "add", "path": "/volumes/-", "value": 2}, {"op": "add", "path": "/a~1b", "value": 3}], pod)
    >>> pod
    {'volumes': [1, 2], 'a/b': 3}
    """
    for one in operations:
        *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in one["path"].split("/")[1:])
        at = document
        for step in steps:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list):
            at.insert(len(at) if last == "-" else int(last), one["value"])
        else:
            at[last] = one["value"]


def _written(document: object, *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=1000)
    return text
