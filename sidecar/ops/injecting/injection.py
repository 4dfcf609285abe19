"""A pod in, a patch out. It never refuses a pod: what cannot be done is left out, and said as a warning."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from sidecar import __version__
from sidecar.errors import InvalidInput
from sidecar.ops.injecting.container import ADDRESS, SOCKET_DIR, Place, Sidecar
from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.patch import Patch
from sidecar.ops.injecting.pod import CONTAINER, PREFIX, Container, Pod
from sidecar.ops.injecting.wishes import INJECTED, Wishes, read, said

_MIRROR = "kubernetes.io/config.mirror"
_VARIABLE = "LEARNING_ADDRESS"
_PORTS_TRIED = 100
_GRACE_S = 30
"""What Kubernetes gives a pod that does not say."""


class Outcome(StrEnum):
    """What became of a pod."""

    INJECTED = "injected"
    ALREADY = "already"
    DECLINED = "declined"
    MIRROR = "mirror"
    WINDOWS = "windows"
    ENDS = "ends"
    INVALID = "invalid"
    NOT_A_NEW_POD = "not_a_new_pod"


class Injection(NamedTuple):
    """What became of a pod, the patch that makes it so, and what its author should know."""

    outcome: Outcome
    operations: list[dict[str, Any]]
    warnings: list[str]


def inject(pod: Pod, declared: Declared, *, in_manifest: bool = False) -> Injection:
    """Put the sidecar into a pod.

    Args:
        pod: as it is.
        declared: what the platform says of all pods.
        in_manifest: whether the result is applied again and again, rather than made once.
    """
    left = _left_alone(pod, declared)
    if left is not None:
        return left
    try:
        wishes, variables = read(declared.texts() | said(pod.annotations))
        chosen = _chosen(pod, wishes)
        place = _place(pod, wishes)
    except InvalidInput as error:
        return Injection(Outcome.INVALID, [], [f"no learning sidecar: {error}"])
    sidecar = Sidecar(wishes, variables, declared, place, in_manifest)
    return _injected(pod, sidecar, chosen)


def _left_alone(pod: Pod, declared: Declared) -> Injection | None:
    """Pods that get no sidecar, whatever they say."""
    if any(one.name == CONTAINER for one in pod.containers):
        return Injection(Outcome.ALREADY, [], [])
    if pod.wants_none:
        return Injection(Outcome.DECLINED, [], [])
    if _MIRROR in pod.annotations:  # its file on the node is what counts
        return Injection(Outcome.MIRROR, [], [])
    if pod.is_windows:
        return Injection(Outcome.WINDOWS, [], ["no learning sidecar: its image is for Linux, the pod for Windows"])
    if pod.ends and not declared.native:
        warning = f"no learning sidecar: with restartPolicy {pod.spec.restart_policy} it would keep the pod from ending"
        return Injection(Outcome.ENDS, [], [f"{warning}; that needs native sidecars (Kubernetes 1.29)"])
    return None


def _chosen(pod: Pod, wishes: Wishes) -> set[str]:
    """The containers that are told of the sidecar."""
    names = {one.name for one in pod.containers}
    wanted = {name.strip() for name in wishes.containers.split(",")} if wishes.containers else names
    if not wanted <= names:
        allowed = f"names of the pod's containers: {', '.join(sorted(names))}"
        raise InvalidInput(f"{PREFIX}containers", wishes.containers, allowed)
    return wanted


def _place(pod: Pod, wishes: Wishes) -> Place:
    """Names and a port that nobody else in the pod has."""
    socket, data, config = (pod.free_volume_name(f"learning-{what}") for what in ("socket", "data", "config"))
    grace_s = pod.spec.termination_grace_period_seconds
    grace_s = _GRACE_S if grace_s is None else grace_s
    port, on_node = _port(pod, wishes), bool(pod.spec.host_network)
    return Place(socket, data, config, port, on_node, grace_s, pod.has_mesh, bool(pod.spec.resources))


def _port(pod: Pod, wishes: Wishes) -> int | None:
    """The management port: as the pod says, else the next one that no container declares.

    On the node's own network the port would be taken from all other pods there, so there it has to be asked for.
    """
    port, asked = wishes.management_port, "management-port" in said(pod.annotations)
    if port == "off" or (pod.spec.host_network and not asked):
        return None
    if asked and port in pod.ports:
        raise InvalidInput(f"{PREFIX}management-port", port, "a port that no container of the pod declares")
    return next((free for free in range(port, min(port + _PORTS_TRIED, 65536)) if free not in pod.ports), None)


def _injected(pod: Pod, sidecar: Sidecar, chosen: set[str]) -> Injection:
    patch, warnings = Patch(), []
    found = pod.metadata and pod.metadata.annotations
    if pod.metadata is None:
        patch.add_member(["metadata"], None, "annotations", {INJECTED: __version__})
    elif INJECTED not in pod.annotations:
        patch.add_member(["metadata", "annotations"], found, INJECTED, __version__)
    for key, containers in (("containers", pod.spec.containers), ("initContainers", pod.spec.init_containers)):
        for number, container in enumerate(containers or ()):
            if container.name in chosen:
                warnings += _told(patch, ["spec", key, number], container, sidecar.place)
    for volume in sidecar.volumes():
        patch.append(["spec", "volumes"], pod.spec.volumes, volume)
    if sidecar.declared.native:  # first, so that it starts before everything else and ends after it
        patch.prepend(["spec", "initContainers"], pod.spec.init_containers, sidecar.container())
    else:
        patch.append(["spec", "containers"], pod.spec.containers, sidecar.container())
    return Injection(Outcome.INJECTED, patch.operations, warnings)


def _told(patch: Patch, at: list[str | int], container: Container, place: Place) -> list[str]:
    """Give a container the socket, and say where it is, unless it has been told something else."""
    if container.mounts_at(SOCKET_DIR):
        return [f"container {container.name} has a mount of its own at {SOCKET_DIR}, so it does not see the sidecar"]
    if container.closed_above(SOCKET_DIR):
        return [f"container {container.name} has a read-only mount above {SOCKET_DIR}, so it does not see the sidecar"]
    mount = {"name": place.socket_volume, "mountPath": SOCKET_DIR, "readOnly": True}
    patch.append([*at, "volumeMounts"], container.volume_mounts, mount)
    if not container.declares(_VARIABLE):
        patch.prepend([*at, "env"], container.env, {"name": _VARIABLE, "value": ADDRESS})
    return []
