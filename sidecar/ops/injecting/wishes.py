"""What may be said of one pod's sidecar, by annotations or, for all pods, by the injector's file.

A name is either one of the `Wishes`, or that of a variable of the sidecar: `learning-sidecar/log-level` is
`LEARNING_LOG_LEVEL`, `learning-sidecar/enable-rl-routing` is `ENABLE_RL_ROUTING`. Whatever the sidecar would refuse at
its start is refused here, so that a mistyped annotation cannot keep an app from starting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import fields

from sidecar.errors import InvalidInput
from sidecar.ops.injecting.pod import INJECT, PREFIX
from sidecar.ops.injecting.quantities import CPU, MEMORY, quantity
from sidecar.settings.file import converted
from sidecar.settings.flags import Flags
from sidecar.settings.service import read_service_settings

INJECTED = f"{PREFIX}injected"
EMBEDDED = "none"
"""In place of a secret: a store of its own in each pod."""

VARIABLES = (
    *("in_flight_max", "key_prefix", "log_format", "log_level", "message_bytes_max", "recall_s", "shutdown_grace_s"),
    *("spool_bytes_max", "spool_keep_s", "store_timeout_ms"),
)
"""Those settings of a sidecar that a pod may change. The others say where its parts are, or hold secrets."""

_OBJECT = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_ENTRY = rf"^{_OBJECT}(/[-_a-zA-Z0-9][-._a-zA-Z0-9]{{0,252}})?$"
_HIDDEN = "something else"
"""In place of a value that may be a password: who mistakes what a field is for may have written the URL there."""
_SWITCH = re.compile(r"enable-rl-[a-z0-9][-a-z0-9]{0,40}")


class Wishes(Struct, frozen=True, rename="kebab"):
    """Each field is the annotation `learning-sidecar/` and its name, with dashes."""

    image: Annotated[str, Meta(pattern=r"^\S{1,512}$")] = "learning-sidecar"
    """The sidecar's image."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the image is fetched."""
    redis_secret: Annotated[str, Meta(pattern=_ENTRY)] = "learning-redis/url"  # noqa: S105 - a name
    """`NAME` or `NAME/KEY`: the secret, in the pod's namespace, that holds the URL of the store, under `url` unless a
    key is named. `none`: an embedded server in each pod, which shares nothing."""
    config_map: Annotated[str, Meta(pattern=rf"^$|{_ENTRY}")] = ""
    """`NAME` or `NAME/KEY`: the ConfigMap, in the pod's namespace, with the file of domains, under `domains.yaml`
    unless a key is named. Empty: every domain has the defaults."""
    containers: str = ""
    """Names, separated by commas: only these containers get the socket and `LEARNING_ADDRESS`. Empty: all of them."""
    wait: bool = True
    """Whether the app's containers start only once the sidecar serves."""
    management_port: Annotated[int, Meta(ge=1024, le=65535)] | Literal["off"] = 19464
    """Of probes, metrics and the page. `off`: none, so that only the start is seen, by a command."""
    cpu_request: str = "50m"
    """What the scheduler sets aside."""
    cpu_limit: str = ""
    """Empty: no limit."""
    memory_request: str = "96Mi"
    """What the scheduler sets aside."""
    memory_limit: str = "192Mi"
    """Empty: no limit."""


NAMES = {field.encode_name: field.name for field in fields(Wishes)}
"""Wishes by the names that they have in annotations."""


def said(annotations: Mapping[str, str]) -> dict[str, str]:
    """Of a pod's annotations those that are meant for the injector, by their names without the prefix."""
    ours = {name: value for name, value in annotations.items() if name.startswith(PREFIX)}
    return {name.removeprefix(PREFIX): value for name, value in ours.items() if name not in (INJECT, INJECTED)}


def read(values: Mapping[str, str]) -> tuple[Wishes, dict[str, str]]:
    """Wishes, and variables of the sidecar, from annotations laid over what is declared for all pods.

    Raises:
        InvalidInput: names the annotation, its value, and what is allowed.
    """
    variables = {variable_of(name): value for name, value in values.items() if name not in NAMES}
    try:
        wishes = converted(
            {name: value for name, value in values.items() if name in NAMES}, Wishes, path="", strict=False
        )
        _check_variables(variables)
    except InvalidInput as error:
        shown = _HIDDEN if "secret" in error.field else error.value
        raise InvalidInput(_annotation_of(error.field), shown, error.allowed) from error
    _check_quantities(wishes)
    return wishes, variables


def variable_of(name: str) -> str:
    """The variable that an annotation stands for.

    Raises:
        InvalidInput: there is none, or not for pods.

    >>> variable_of("log-level"), variable_of("enable-rl-tool-planning")
    ('LEARNING_LOG_LEVEL', 'ENABLE_RL_TOOL_PLANNING')
    """
    if _SWITCH.fullmatch(name):
        return name.upper().replace("-", "_")
    if name.replace("-", "_") in VARIABLES and "_" not in name:
        return "LEARNING_" + name.upper().replace("-", "_")
    settings = (one.replace("_", "-") for one in VARIABLES)
    raise InvalidInput(PREFIX + name, "an annotation", ", ".join(sorted((*NAMES, *settings, "enable-rl-..."))))


def _annotation_of(field: str) -> str:
    return PREFIX + field.removeprefix("LEARNING_").lower().replace("_", "-")


def _check_variables(variables: Mapping[str, str]) -> None:
    """Let the sidecar's own readers say what they think."""
    settings = read_service_settings(variables)
    Flags(variables)
    if settings.spool_bytes_max > _SPOOL_BYTES_MAX:
        raise InvalidInput("LEARNING_SPOOL_BYTES_MAX", settings.spool_bytes_max, f"at most {_SPOOL_BYTES_MAX} in a pod")


_SPOOL_BYTES_MAX = 4 << 30
"""It lies on the node's own disk."""


def _check_quantities(wishes: Wishes) -> None:
    """What Kubernetes would refuse, with the whole pod."""
    for kind, form in (("cpu", CPU), ("memory", MEMORY)):
        amounts = []
        for bound in ("request", "limit"):
            text: str = getattr(wishes, f"{kind}_{bound}")
            amount = quantity(kind, text)
            if amount is None and text:
                raise InvalidInput(f"{PREFIX}{kind}-{bound}", text, f"{form}, or nothing")
            amounts.append(amount)
        request, limit = amounts
        if request is not None and limit is not None and request > limit:
            text = getattr(wishes, f"{kind}_limit")
            raise InvalidInput(f"{PREFIX}{kind}-limit", text, f"no less than {kind}-request")
