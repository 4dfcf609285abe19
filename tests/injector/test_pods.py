"""Goal: every pod gets exactly what it should. Method: a table of pods, each reviewed as an API server would ask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes_validate.utils import validate

from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.injection import Outcome
from tests.injector.patching import answer, injected, operations, patched, sidecar_of
from tests.injector.pods import CASES, Case, annotated, pod

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
PLAIN = Declared(native=False)
EACH = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
INJECTED = {name: case for name, case in CASES.items() if case.outcome is Outcome.INJECTED}


def environment(container: dict[str, Any]) -> dict[str, Any]:
    """Variables by name; of two of one name the last."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env") or []}


@EACH
def test_what_becomes_of_it(case: Case) -> None:
    """The outcome, the warning, and a patch if and only if it is injected."""
    response = answer(case.pod)
    warnings = response.get("warnings", [])

    assert response["auditAnnotations"] == {"outcome": str(case.outcome)}
    assert bool(operations(response)) == (case.outcome is Outcome.INJECTED)
    assert any(case.warning in warning for warning in warnings) if case.warning else not warnings


@EACH
def test_nothing_is_lost(case: Case) -> None:
    """Taking out what was added gives the pod as it was, byte for byte."""
    before = json.dumps(case.pod)
    after = json.loads(json.dumps(injected(case.pod)))
    if case.outcome is Outcome.INJECTED:
        spec = after["spec"]
        volumes = {one["name"] for one in spec["volumes"]} - {
            one["name"] for one in case.pod["spec"].get("volumes") or []
        }
        was = case.pod["spec"]
        _drop(spec, "initContainers", was, lambda one: one["name"] != "learning-sidecar")
        _drop(spec, "volumes", was, lambda one: one["name"] not in volumes)
        for key in ("containers", "initContainers"):
            for container, original in zip(spec.get(key) or [], was.get(key) or [], strict=True):
                has = environment(original)
                _drop(
                    container,
                    "env",
                    original,
                    lambda one, has=has: one["name"] != "LEARNING_ADDRESS" or one["name"] in has,
                )
                _drop(container, "volumeMounts", original, lambda one: one["name"] not in volumes)
        if "learning-sidecar/injected" not in json.dumps(case.pod):
            del after["metadata"]["annotations"]["learning-sidecar/injected"]
            _restore(after, case.pod)

    assert before == json.dumps(after)


def _drop(owner: dict[str, Any], key: str, original: dict[str, Any], keeps: Any) -> None:
    """Take what was added out of a list, and the list if it was not there (or was null)."""
    left = [one for one in owner.get(key) or [] if keeps(one)]
    if key not in original:
        owner.pop(key, None)
    else:
        owner[key] = left if original[key] is not None else None


def _restore(after: dict[str, Any], original: dict[str, Any]) -> None:
    """Take empty tables out that were not there."""
    if "annotations" not in original.get("metadata", {}):
        del after["metadata"]["annotations"]
    elif original["metadata"]["annotations"] is None:
        after["metadata"]["annotations"] = None
    if "metadata" not in original:
        assert after.pop("metadata") == {}


@EACH
@pytest.mark.parametrize("declared", [Declared(), PLAIN], ids=["native", "plain"])
def test_twice_is_once(case: Case, declared: Declared) -> None:
    """A pod that has been injected gets no patch."""
    once = injected(case.pod, declared)
    if once != case.pod:
        again = answer(once, declared)
        assert operations(again) == []
        assert "warnings" not in again


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_it(version: str) -> None:
    """Every injected pod is valid by the schema of every version with native sidecars, unknown fields forbidden."""
    for name, case in INJECTED.items():
        if case.known:
            # A pod without metadata is no pod of the schema; templates have none.
            validate(
                injected(case.pod) if "metadata" in case.pod else injected(case.pod) | {"metadata": {}},
                version,
                strict=True,
            )
        else:
            assert name in ("null annotations", "null lists", "fields of tomorrow")


@pytest.mark.parametrize("version", ["1.25", "1.26", "1.27", "1.28", "1.37"])
def test_kubernetes_before_1_29_takes_the_plain_one(version: str) -> None:
    """A container like any other, which no version knows anything special about."""
    for name, case in INJECTED.items():
        if case.known and not case.pod["spec"].get("restartPolicy") and name != "another native sidecar":
            validate({"metadata": {}} | injected(case.pod, PLAIN), version, strict=True)


def test_the_sidecar_is_native_and_comes_first() -> None:
    """Before init containers and other sidecars, so that they can use it, and it is the last to end."""
    found = injected(CASES["another native sidecar"].pod)["spec"]

    assert [one["name"] for one in found["initContainers"]] == ["learning-sidecar", "istio-proxy", "migrate"]
    assert found["initContainers"][0]["restartPolicy"] == "Always"


def test_without_native_sidecars_it_is_the_last_container() -> None:
    """And stays a little longer than the app when both are told to end."""
    found = injected(pod(), PLAIN)["spec"]

    assert [one["name"] for one in found["containers"]] == ["app", "learning-sidecar"]
    assert "initContainers" not in found
    assert "restartPolicy" not in found["containers"][1]
    assert "time.sleep(5)" in found["containers"][1]["lifecycle"]["preStop"]["exec"]["command"][2]
    assert "lifecycle" not in sidecar_of(injected(CASES["short grace"].pod, PLAIN))


@pytest.mark.parametrize("name", ["job", "restarts on failure"])
def test_without_native_sidecars_a_job_gets_none(name: str) -> None:
    """It would never be over."""
    response = answer(CASES[name].pod, PLAIN)

    assert operations(response) == []
    assert "keep the pod from ending" in response["warnings"][0]


def test_each_container_gets_the_socket_and_its_address() -> None:
    """Read-only, and the address before its own variables, so that they may name it."""
    found = injected(
        pod(initContainers=[{"name": "migrate", "image": "m"}], container={"env": [{"name": "A", "value": "b"}]})
    )
    for one in (found["spec"]["containers"][0], found["spec"]["initContainers"][1]):
        assert one["env"][0] == {"name": "LEARNING_ADDRESS", "value": "unix:/run/learning/sidecar.sock"}
        assert one["volumeMounts"][-1] == {"name": "learning-socket", "mountPath": "/run/learning", "readOnly": True}


def test_an_address_of_its_own_is_left_alone() -> None:
    """The app says where its sidecar is."""
    assert environment(injected(CASES["own address"].pod)["spec"]["containers"][0]) == {
        "LEARNING_ADDRESS": "127.0.0.1:1"
    }


def test_only_the_named_containers_are_told() -> None:
    """The others have neither the socket nor the variable."""
    several = CASES["several containers"].pod | {"metadata": {"annotations": {"learning-sidecar/containers": "a, c"}}}
    containers = injected(several)["spec"]["containers"]
    assert ["LEARNING_ADDRESS" in environment(one) for one in containers] == [True, False, True]
    assert [len(one["volumeMounts"]) for one in containers] == [2, 1, 2]


def test_volumes_get_names_that_are_free() -> None:
    """The pod's own volumes of those names stay what they are."""
    found = injected(CASES["volumes of our names"].pod)["spec"]

    assert [one["name"] for one in found["volumes"]][2:] == ["learning-socket-2", "learning-data-2"]
    assert found["containers"][0]["volumeMounts"][0]["name"] == "learning-socket-2"


def test_the_management_port_gives_way() -> None:
    """To what other containers declare; probes and settings follow."""
    found = sidecar_of(injected(CASES["our port is taken"].pod))

    assert environment(found)["LEARNING_MANAGEMENT_ADDRESS"] == "0.0.0.0:19466"
    assert {one["httpGet"]["port"] for one in (found["startupProbe"], found["livenessProbe"])} == {19466}


def test_on_the_network_of_the_node_nothing_is_taken_unasked() -> None:
    """No port, hence a command as the only probe; with the annotation, a port on loopback that the scheduler knows."""
    quiet = sidecar_of(injected(CASES["host network"].pod))
    assert quiet == sidecar_of(injected(CASES["no management port"].pod))
    asked = sidecar_of(injected(CASES["host network with a port"].pod))

    assert environment(quiet)["LEARNING_MANAGEMENT_ADDRESS"] == "off"
    assert quiet["startupProbe"]["exec"]["command"] == ["learning-sidecar", "health"]
    assert not {"ports", "livenessProbe"} & quiet.keys()
    assert environment(asked)["LEARNING_MANAGEMENT_ADDRESS"] == "127.0.0.1:19500"
    assert asked["ports"][0]["hostPort"] == 19500
    assert asked["livenessProbe"]["httpGet"]["host"] == "127.0.0.1"


def test_no_probe_follows_the_store() -> None:
    """Startup and liveness only; readiness of a native sidecar would be that of the pod."""
    found = sidecar_of(injected(pod()))

    assert {key for key in found if key.endswith("Probe")} == {"startupProbe", "livenessProbe"}
    assert found["startupProbe"]["httpGet"]["path"] == "/startupz"
    assert found["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert "startupProbe" not in sidecar_of(injected(CASES["does not wait"].pod))


def test_the_sidecar_may_do_nothing_that_it_need_not() -> None:
    """What the restricted Pod Security Standard asks for, and a root that cannot be written."""
    assert sidecar_of(injected(pod()))["securityContext"] == {
        "runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": True, "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False, "privileged": False, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert "runAsUser" not in sidecar_of(injected(pod(), Declared(run_as_user=None)))["securityContext"]


def test_a_missing_secret_makes_a_store_that_is_away() -> None:
    """Not one of its own: the secret is optional, and what precedes it leads nowhere."""
    entries = [one for one in sidecar_of(injected(pod()))["env"] if one["name"] == "LEARNING_REDIS_URL"]

    assert entries[0]["value"] == "redis://no-such-secret.invalid:6379"
    assert entries[1]["valueFrom"] == {"secretKeyRef": {"name": "learning-redis", "key": "url", "optional": True}}
    assert "LEARNING_REDIS_URL" not in environment(sidecar_of(injected(CASES["embedded"].pod)))


def test_no_secret_reaches_the_app() -> None:
    """Its containers get an address and a socket."""
    assert set(environment(injected(pod())["spec"]["containers"][0])) == {"LEARNING_ADDRESS"}


@pytest.mark.parametrize(("case", "room"), [("plain", "192Mi"), ("small spool", "66Mi"), ("embedded", None)])
def test_the_spool_cannot_evict_the_pod(case: str, room: str | None) -> None:
    """The volume may hold twice what the spool may take, and more; what an embedded store takes has no bound."""
    volumes = {one["name"]: one["emptyDir"] for one in injected(CASES[case].pod)["spec"]["volumes"]}

    assert volumes["learning-data"].get("sizeLimit") == room
    assert "medium" not in volumes["learning-data"]  # the spool has to be on a disk
    assert volumes["learning-socket"] == {"medium": "Memory", "sizeLimit": "1Mi"}


def test_annotations_win_over_what_is_declared() -> None:
    """And what is declared wins over the defaults."""
    declared = Declared(defaults={"log-level": "warning", "log-format": "json", "cpu-request": "70m", "wait": False})
    found = sidecar_of(injected(annotated(log_level="debug"), declared))

    assert environment(found)["LEARNING_LOG_LEVEL"] == "debug"
    assert environment(found)["LEARNING_LOG_FORMAT"] == "json"
    assert found["resources"]["requests"]["cpu"] == "70m"
    assert "startupProbe" not in found


def test_the_file_of_domains_is_mounted() -> None:
    """From the ConfigMap, under the key's own name, so that its suffix says what it is."""
    found = injected(CASES["file of domains in TOML"].pod)
    volume = found["spec"]["volumes"][-1]

    assert volume["configMap"] == {"name": "domains", "items": [{"key": "a.toml", "path": "a.toml"}]}
    assert environment(sidecar_of(found))["LEARNING_CONFIG"] == "/etc/learning/a.toml"
    assert {"name": volume["name"], "mountPath": "/etc/learning", "readOnly": True} in sidecar_of(found)["volumeMounts"]


def test_a_patch_of_the_pod_as_it_was_fits_no_other() -> None:
    """The patch is for the pod that was shown: for another it is another."""
    first, second = (operations(answer(one)) for one in (pod(), pod(volumes=[{"name": "v", "emptyDir": {}}])))
    assert first != second
    assert len(patched(pod(), first)["spec"]["volumes"]) == 2


def test_a_mesh_takes_what_the_kubelet_asks() -> None:
    """Beside Istio's proxy a command asks: what comes over the network would wait for the proxy, which waits for it."""
    sidecar = sidecar_of(injected(pod(initContainers=[{"name": "istio-proxy", "image": "i"}])))

    assert "exec" in sidecar["startupProbe"]
    assert "livenessProbe" not in sidecar


def test_resources_of_the_pod_hold_for_the_sidecar_too() -> None:
    """Requests of its own could exceed what the pod asks for in all, and then the pod would be refused."""
    bounds = {"requests": {"cpu": "50m"}, "limits": {"cpu": "50m"}}

    assert not sidecar_of(injected(pod(resources=bounds))).get("resources")
