"""Pods of many kinds, each with what should become of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from sidecar.ops.injecting.injection import Outcome

Document = dict[str, Any]


class Case(NamedTuple):
    """A pod, what becomes of it, a part of what its author is told, and whether Kubernetes knows all its fields."""

    pod: Document
    outcome: Outcome = Outcome.INJECTED
    warning: str = ""
    known: bool = True


def pod(*, metadata: Document | None = None, container: Document | None = None, **spec: Any) -> Document:
    """Make a pod with one container and whatever else is said."""
    app = {"name": "app", "image": "app:1", **(container or {})}
    named = {"name": "app-1", "labels": {"learning-sidecar/inject": "true"}, **(metadata or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": {"containers": [app], **spec}}


def annotated(**annotations: str) -> Document:
    """Make a pod with annotations of ours; underscores stand for dashes."""
    ours = {f"learning-sidecar/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return pod(metadata={"annotations": ours})


def without(document: Document, *steps: str) -> Document:
    """Leave something out of a pod."""
    at = document
    for step in steps[:-1]:
        at = at[step]
    del at[steps[-1]]
    return document


_INIT = {"name": "migrate", "image": "app:1", "command": ["migrate"]}
_MESH = {"name": "istio-proxy", "image": "proxy:1", "restartPolicy": "Always", "ports": [{"containerPort": 15090}]}
_EMPTY = {"emptyDir": {}}
_RUN = {"volumes": [{"name": "run", **_EMPTY}]}
_MOUNT = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - inside of a container
_OURS = {"name": "learning-sidecar", "image": "learning-sidecar:0.1.0"}
_WEIRD_NUMBERS = {"big": 123456789012345678901234567890, "tiny": 1e-300, "exact": 1.10}

CASES = {
    "plain": Case(pod()),
    "generateName": Case(without(pod(metadata={"generateName": "app-"}), "metadata", "name")),
    "no metadata": Case(without(pod(), "metadata")),
    "empty metadata": Case(pod() | {"metadata": {}}),
    "no labels": Case(without(pod(), "metadata", "labels")),
    "null annotations": Case(pod(metadata={"annotations": None}), known=False),
    "annotations of others": Case(pod(metadata={"annotations": {"a/b~c": "d", "e": ""}})),
    "init containers": Case(pod(initContainers=[_INIT])),
    "another native sidecar": Case(pod(initContainers=[_MESH, _INIT])),
    "empty lists": Case(pod(initContainers=[], volumes=[], container={"env": [], "volumeMounts": [], "ports": []})),
    "null lists": Case(pod(initContainers=None, volumes=None, container={"env": None}), known=False),
    "several containers": Case(
        pod() | {"spec": {"containers": [{"name": n, "image": n, "volumeMounts": [_MOUNT]} for n in "abc"],
                          "volumes": [{"name": "tmp", **_EMPTY}]}}
    ),
    "own environment": Case(pod(container={"env": [{"name": "A", "value": "$(LEARNING_ADDRESS)"}]})),
    "own address": Case(pod(container={"env": [{"name": "LEARNING_ADDRESS", "value": "127.0.0.1:1"}]})),
    "address from elsewhere": Case(pod(container={"envFrom": [{"configMapRef": {"name": "learning"}}]})),
    "own volume": Case(pod(volumes=[{"name": "tmp", **_EMPTY}], container={"volumeMounts": [_MOUNT]})),
    "volumes of our names": Case(pod(volumes=[{"name": f"learning-{n}", **_EMPTY} for n in ("socket", "data")])),
    "our path is taken": Case(
        pod(container={"volumeMounts": [{"name": "run", "mountPath": "/run/learning/"}]}, **_RUN),
        warning="container app has a mount of its own at /run/learning",
    ),
    "mount above ours": Case(
        pod(container={"volumeMounts": [{"name": "run", "mountPath": "/run"}]}, **_RUN)
    ),
    "read-only above ours": Case(
        pod(container={"volumeMounts": [{"name": "run", "mountPath": "/run", "readOnly": True}]}, **_RUN),
        warning="container app has a read-only mount above /run/learning",
    ),
    "our port is taken": Case(pod(container={"ports": [{"containerPort": 19464}, {"containerPort": 19465}]})),
    "read-only root": Case(pod(container={"securityContext": {"readOnlyRootFilesystem": True, "runAsUser": 1000}})),
    "security of the pod": Case(pod(securityContext={"runAsUser": 1000, "fsGroup": 1000, "runAsNonRoot": True})),
    "job": Case(
        pod(metadata={"ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "1"}]},
            restartPolicy="Never")
    ),
    "restarts on failure": Case(pod(restartPolicy="OnFailure")),
    "short grace": Case(pod(terminationGracePeriodSeconds=1)),
    "no grace": Case(pod(terminationGracePeriodSeconds=0)),
    "host network": Case(pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")),
    "host network with a port": Case(
        pod(hostNetwork=True, metadata={"annotations": {"learning-sidecar/management-port": "19500"}})
    ),
    "says linux": Case(pod(os={"name": "linux"}, nodeSelector={"kubernetes.io/os": "linux"})),
    "selects windows": Case(pod(nodeSelector={"kubernetes.io/os": "windows"}), Outcome.WINDOWS, "for Linux"),
    "says windows": Case(pod(os={"name": "windows"}), Outcome.WINDOWS, "for Linux"),
    "mirror": Case(pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), Outcome.MIRROR),
    "declined": Case(pod(metadata={"labels": {"learning-sidecar/inject": "false"}}), Outcome.DECLINED),
    "already, native": Case(pod(initContainers=[_OURS | {"restartPolicy": "Always"}]), Outcome.ALREADY),
    "already, plain": Case(pod() | {"spec": {"containers": [{"name": "app", "image": "a"}, _OURS]}}, Outcome.ALREADY),
    "copied annotation": Case(pod(metadata={"annotations": {"learning-sidecar/injected": "0.0.1"}})),
    "ephemeral containers": Case(pod(ephemeralContainers=[{"name": "debug", "image": "d"}])),
    "fields of tomorrow": Case(
        pod(container={"futureField": {"é": [1, None, {"deep": [[]]}]}}, newSpecField=_WEIRD_NUMBERS), known=False
    ),
    "settings": Case(annotated(log_level="debug", store_timeout_ms="500", enable_rl_routing="false")),
    "other image": Case(annotated(image="mirror.example/it@sha256:" + "0" * 64, image_pull_policy="Always")),
    "other secret": Case(annotated(redis_secret="redis.of.mine/the_URL")),  # noqa: S106 - a name
    "embedded": Case(annotated(redis_secret="none")),  # noqa: S106 - a name
    "file of domains": Case(annotated(config_map="domains")),
    "file of domains in TOML": Case(annotated(config_map="domains/a.toml")),
    "resources": Case(annotated(cpu_request="0.1", cpu_limit="1", memory_request="1Gi", memory_limit="1Gi")),
    "no resources": Case(annotated(cpu_request="", memory_request="", memory_limit="")),
    "no management port": Case(annotated(management_port="off")),
    "does not wait": Case(annotated(wait="false")),
    "small spool": Case(annotated(spool_bytes_max="1048576")),
    "one container": Case(annotated(containers="app")),
    "bad number": Case(annotated(store_timeout_ms="soon"), Outcome.INVALID, "/store-timeout-ms: got 'soon'"),
    "bad level": Case(annotated(log_level="loud"), Outcome.INVALID, "learning-sidecar/log-level: got 'loud'"),
    "bad switch": Case(annotated(enable_rl_global="maybe"), Outcome.INVALID, "learning-sidecar/enable-rl-global"),
    "bad memory": Case(annotated(memory_limit="1 GB"), Outcome.INVALID, "learning-sidecar/memory-limit: got '1 GB'"),
    "limit below request": Case(annotated(cpu_limit="10m"), Outcome.INVALID, "no less than cpu-request"),
    "bad port": Case(annotated(management_port="80"), Outcome.INVALID, "learning-sidecar/management-port: got '80'"),
    "bad secret": Case(annotated(redis_secret="redis://x:y@z"), Outcome.INVALID, "learning-sidecar/redis-secret"),  # noqa: S106 - a name
    "bad image": Case(annotated(image=" "), Outcome.INVALID, "learning-sidecar/image"),
    "bad wait": Case(annotated(wait="perhaps"), Outcome.INVALID, "learning-sidecar/wait: got 'perhaps'"),
    "huge spool": Case(annotated(spool_bytes_max="99999999999"), Outcome.INVALID, "learning-sidecar/spool-bytes-max"),
    "unknown": Case(annotated(log_levle="debug"), Outcome.INVALID, "learning-sidecar/log-levle"),
    "not for pods": Case(annotated(redis_url="redis://x"), Outcome.INVALID, "learning-sidecar/redis-url"),
    "unknown container": Case(annotated(containers="app,apq"), Outcome.INVALID, "names of the pod's containers: app"),
    "asked port is taken": Case(
        pod(metadata={"annotations": {"learning-sidecar/management-port": "8080"}},
            container={"ports": [{"containerPort": 8080}]}),
        Outcome.INVALID, "a port that no container of the pod declares",
    ),
}  # fmt: skip
