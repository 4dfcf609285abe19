"""What is read of a pod. Everything else is neither looked at nor touched: the answer is a patch, not a pod."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import Any

from msgspec import Struct, field

PREFIX = "learning-sidecar/"
"""Of the label, and of every annotation."""

INJECT = f"{PREFIX}inject"
CONTAINER = "learning-sidecar"


class Named(Struct):
    """A volume, or a variable."""

    name: str = ""


class Mount(Struct, rename="camel"):
    """Where a container sees which volume."""

    name: str = ""
    mount_path: str = ""
    read_only: bool | None = None


class Port(Struct, rename="camel"):
    """A port that a container declares."""

    container_port: int = 0


class Container(Struct, rename="camel"):
    """A container; what is None is not there."""

    name: str = ""
    env: list[Named] | None = None
    volume_mounts: list[Mount] | None = None
    ports: list[Port] | None = None

    def declares(self, variable: str) -> bool:
        """Whether its own environment has a variable; what comes by `envFrom` cannot be seen."""
        return any(one.name == variable for one in self.env or ())

    def mounts_at(self, path: str) -> bool:
        """Whether it has something of its own at a path."""
        return any(posixpath.normpath(one.mount_path) == path for one in self.volume_mounts or ())

    def closed_above(self, path: str) -> bool:
        """Whether a path lies in a read-only mount, in which no directory can be made for another one."""
        above = [posixpath.normpath(one.mount_path) for one in self.volume_mounts or () if one.read_only]
        return any(path.startswith(one.rstrip("/") + "/") for one in above)


class Metadata(Struct, rename="camel"):
    """A pod's names, labels and annotations."""

    name: str | None = None
    generate_name: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Spec(Struct, rename="camel"):
    """What a pod runs, and where."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    volumes: list[Named] | None = None
    host_network: bool | None = None
    restart_policy: str | None = None
    node_selector: dict[str, str] | None = None
    os: Named | None = None
    termination_grace_period_seconds: int | None = None
    resources: dict[str, Any] | None = None


class Pod(Struct):
    """A pod, or the template of one."""

    metadata: Metadata | None = None
    spec: Spec = field(default_factory=Spec)

    @property
    def name(self) -> str:
        """For the log; while the server is still to make a name, what it begins with."""
        found = self.metadata or Metadata()
        return found.name or f"{found.generate_name or ''}*"

    @property
    def annotations(self) -> dict[str, str]:
        """All of them."""
        return (self.metadata and self.metadata.annotations) or {}

    @property
    def wants_none(self) -> bool:
        """Whether its label says no."""
        return ((self.metadata and self.metadata.labels) or {}).get(INJECT) == "false"

    @property
    def containers(self) -> list[Container]:
        """The app's, those that run before it last."""
        return [*(self.spec.containers or ()), *(self.spec.init_containers or ())]

    @property
    def ports(self) -> set[int]:
        """Every port that is declared."""
        return {port.container_port for container in self.containers for port in container.ports or ()}

    @property
    def is_windows(self) -> bool:
        """Whether it says that it runs on Windows."""
        selected = (self.spec.node_selector or {}).get("kubernetes.io/os")
        return "windows" in (selected, self.spec.os and self.spec.os.name)

    @property
    def has_mesh(self) -> bool:
        """Whether Istio's proxy is in it, which takes what the kubelet asks over the network."""
        return any(one.name == "istio-proxy" for one in self.containers)

    @property
    def ends(self) -> bool:
        """Whether it is over when its containers have ended, as those of Jobs are."""
        return self.spec.restart_policy in ("Never", "OnFailure")

    def free_volume_name(self, name: str) -> str:
        """`name`, or, where the pod has a volume of that name (or a mount of one), the next one that it has not."""
        mounted = {mount.name for container in self.containers for mount in container.volume_mounts or ()}
        return free_name(name, mounted | {one.name for one in self.spec.volumes or ()})


def free_name(name: str, taken: Collection[str]) -> str:
    """A name that nobody has.

    >>> free_name("a", {"a", "a-2"})
    'a-3'
    """
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
