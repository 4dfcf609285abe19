"""The injector's file: what the platform says of all pods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field

from sidecar.errors import InvalidInput, InvalidSettings
from sidecar.ops.injecting.pod import PREFIX
from sidecar.ops.injecting.wishes import read
from sidecar.settings.file import converted, plain_document


class Declared(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """The keys of the file."""

    native: bool = True
    """Whether the sidecar is a native one (Kubernetes 1.29 and later): it starts before the app and ends after it. If
    not, it is one more container, and pods that are to end, as those of Jobs, get none."""
    run_as_user: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = 65532
    """The user and group of the sidecar. Null: the platform chooses, as OpenShift does."""
    defaults: dict[str, str | int | float | bool] = field(default_factory=dict)
    """Annotations without their prefix, for pods that say nothing else."""

    def texts(self) -> dict[str, str]:
        """The defaults as annotations write them."""
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.defaults.items()
        }


def read_declared(path: Path | None) -> Declared:
    """Read the file, YAML or TOML; None gives the defaults.

    Raises:
        InvalidSettings: it cannot be read, or a key has a value that is not allowed.
    """
    if path is None:
        return Declared()
    try:
        raw = plain_document(path)
    except (OSError, ValueError) as error:
        raise InvalidSettings(str(path), str(error), "a readable YAML or TOML file") from error
    declared = converted(raw or {}, Declared, path="")
    try:
        read(declared.texts())
    except InvalidInput as error:
        raise InvalidSettings(f"defaults.{error.field.removeprefix(PREFIX)}", error.value, error.allowed) from error
    return declared
