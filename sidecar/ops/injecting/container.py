"""The sidecar as a container, and the volumes that it has.

No probe follows the store: it may be away for hours, and the app goes on. There is no readiness probe, since that of a
native sidecar would count for the whole pod.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.pod import CONTAINER
from sidecar.ops.injecting.wishes import EMBEDDED, Wishes
from sidecar.settings.service import read_service_settings

SOCKET_DIR, DATA_DIR, CONFIG_DIR = "/run/learning", "/var/lib/learning", "/etc/learning"
ADDRESS = f"unix:{SOCKET_DIR}/sidecar.sock"

NO_SUCH_STORE = "redis://no-such-secret.invalid:6379"
"""Where a secret is missing: a store that is away, so that answers are degraded. With no URL at all every pod would
have a store, and a budget, of its own. RFC 2606 sees to it that nobody is there."""

_MIB = 1 << 20
_OUTLASTS_S = 5


class Place(NamedTuple):
    """What depends on the pod.

    Names of volumes that are free, the management port if there is one, whether the network is the node's, how long the
    pod may take to end, whether a mesh takes what the kubelet asks, and whether containers share resources of the pod.
    """

    socket_volume: str
    data_volume: str
    config_volume: str
    port: int | None
    host_network: bool
    grace_s: int
    mesh: bool
    shares: bool


class Sidecar(NamedTuple):
    """All that makes one sidecar."""

    wishes: Wishes
    variables: dict[str, str]
    declared: Declared
    place: Place
    in_manifest: bool = False
    """Whether it is written into a manifest, which is applied again and again."""

    def container(self) -> dict[str, Any]:
        """The container."""
        whole = {
            "name": CONTAINER,
            "image": self.wishes.image,
            "imagePullPolicy": self.wishes.image_pull_policy,
            "args": ["serve"],
            "env": self._environment(),
            "resources": self._resources(),
            "securityContext": self._security(),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": self._mounts(),
            **self._ports(),
            **self._probes(),
        }
        if self.declared.native:
            return whole | {"restartPolicy": "Always"}
        return whole | self._outlasting()

    def _outlasting(self) -> dict[str, Any]:
        """A container that is told to end with all others stays a little longer, for what the app still reports."""
        if self.place.grace_s < 2 * _OUTLASTS_S:
            return {}
        sleep = ["python3", "-c", f"import time; time.sleep({_OUTLASTS_S})"]  # the image has no shell
        return {"lifecycle": {"preStop": {"exec": {"command": sleep}}}}

    def volumes(self) -> list[dict[str, Any]]:
        """Its volumes: the socket, which the app sees too, its data, and perhaps the file of domains."""
        socket = {"name": self.place.socket_volume, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
        data = {"name": self.place.data_volume, "emptyDir": self._room()}
        if not self.wishes.config_map:
            return [socket, data]
        name, key = self._config_map()
        source = {"name": name, "items": [{"key": key, "path": key}]}
        return [socket, data, {"name": self.place.config_volume, "configMap": source}]

    def _room(self) -> dict[str, str]:
        """How large the data may grow: the kubelet evicts the pod beyond it, so amply more than what the spool takes.

        An embedded store has no bound of its own, so none is set for it.
        """
        if self.wishes.redis_secret == EMBEDDED:
            return {}
        spool = read_service_settings(self.variables).spool_bytes_max
        return {"sizeLimit": f"{2 * spool // _MIB + 64}Mi"}

    def _environment(self) -> list[dict[str, Any]]:
        port, host = self.place.port, "127.0.0.1" if self.place.host_network else "0.0.0.0"  # noqa: S104 - the kubelet's
        usual = {
            "LEARNING_ADDRESS": ADDRESS,
            "LEARNING_SOCKET_MODE": "0666",  # apps run as users of their own
            "LEARNING_MANAGEMENT_ADDRESS": f"{host}:{port}" if port else "off",
            "LEARNING_DATA_DIR": DATA_DIR,
        }
        if self.wishes.config_map:
            usual["LEARNING_CONFIG"] = f"{CONFIG_DIR}/{self._config_map()[1]}"
        plain = [{"name": name, "value": value} for name, value in (usual | self.variables).items()]
        return [*plain, *self._store(), _field("POD_NAME", "name"), _field("POD_NAMESPACE", "namespace")]

    def _store(self) -> list[dict[str, Any]]:
        """The URL of the store: of two entries of one name the last counts, if its secret is there.

        Server-side apply takes no name twice, so in a manifest there is one entry, and the secret has to be there.
        """
        if self.wishes.redis_secret == EMBEDDED:
            return []
        name, _, key = self.wishes.redis_secret.partition("/")
        secret: dict[str, Any] = {"name": name, "key": key or "url"}
        entry = {"name": "LEARNING_REDIS_URL", "valueFrom": {"secretKeyRef": secret}}
        if self.in_manifest:
            return [entry]
        secret["optional"] = True
        return [{"name": "LEARNING_REDIS_URL", "value": NO_SUCH_STORE}, entry]

    def _config_map(self) -> tuple[str, str]:
        name, _, key = self.wishes.config_map.partition("/")
        return name, key or "domains.yaml"

    def _mounts(self) -> list[dict[str, Any]]:
        mounts: list[dict[str, Any]] = [
            {"name": self.place.socket_volume, "mountPath": SOCKET_DIR},
            {"name": self.place.data_volume, "mountPath": DATA_DIR},
        ]
        if self.wishes.config_map:
            mounts.append({"name": self.place.config_volume, "mountPath": CONFIG_DIR, "readOnly": True})
        return mounts

    def _resources(self) -> dict[str, dict[str, str]]:
        if self.place.shares:  # the pod's own bounds hold for all of its containers together
            return {}
        wishes = self.wishes
        bounds = {
            "requests": {"cpu": wishes.cpu_request, "memory": wishes.memory_request},
            "limits": {"cpu": wishes.cpu_limit, "memory": wishes.memory_limit},
        }
        said = {bound: {kind: text for kind, text in amounts.items() if text} for bound, amounts in bounds.items()}
        return {bound: amounts for bound, amounts in said.items() if amounts}

    def _security(self) -> dict[str, Any]:
        user = self.declared.run_as_user
        return {
            **({} if user is None else {"runAsUser": user, "runAsGroup": user}),
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }

    def _ports(self) -> dict[str, Any]:
        port = self.place.port
        if port is None:
            return {}
        declared = {"name": "learning-mgmt", "containerPort": port, "protocol": "TCP"}
        if self.place.host_network:
            declared["hostPort"] = port  # so that the scheduler puts no two of them on one node
        return {"ports": [declared]}

    def _probes(self) -> dict[str, Any]:
        """Startup, which holds the app back, and liveness; without a port, only what a command can tell once."""
        port = self.place.port
        if port is None or self.place.mesh:
            command = {"exec": {"command": ["learning-sidecar", "health"]}}
            starts = {**command, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 60}
            return {"startupProbe": starts} if self.wishes.wait else {}
        host = {"host": "127.0.0.1"} if self.place.host_network else {}
        starts = {"httpGet": {"path": "/startupz", "port": port, **host}, "periodSeconds": 1, "failureThreshold": 120}
        lives = {"httpGet": {"path": "/livez", "port": port, **host}, "periodSeconds": 10, "timeoutSeconds": 6}
        if self.wishes.wait:
            return {"startupProbe": starts, "livenessProbe": lives}
        return {"livenessProbe": lives | {"initialDelaySeconds": 60}}


def _field(name: str, of: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{of}"}}}
