"""Goal: what the chart makes is what a cluster takes. Method: Helm itself, and the schemas of Kubernetes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate.utils import validate

from sidecar import __version__
from sidecar.ops.injecting.declared import read_declared
from sidecar.ops.injecting.pod import INJECT
from sidecar.ops.injecting.serving import PATH

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "learning-sidecar"
OF_OTHERS = {"Issuer", "Certificate"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

VALUES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "cert-manager": {"certificate": {"mode": "cert-manager", "issuerRef": {"kind": "ClusterIssuer", "name": "ours"}}},
    "everything": {
        "image": {"repository": "mirror.example/it", "digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "pull"}]},
        "sidecar": {"native": False, "runAsUser": None, "defaults": {"cpu-limit": "1", "wait": False, "recall-s": 30}},
        "injector": {
            "replicas": 3, "logLevel": "debug", "priorityClassName": "system-cluster-critical",
            "podAnnotations": {"a": "b"}, "podLabels": {"team": "x"}, "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
        },
        "webhook": {"failurePolicy": "Fail", "timeoutSeconds": 2, "excludedNamespaces": ["other"]},
        "certificate": {"mode": "existing", "secretName": "mine", "caBundle": PEM},
        "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
        "podDisruptionBudget": {"minAvailable": "50%"},
    },
    "little": {
        "networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}, "injector": {"replicas": 1},
    },
}  # fmt: skip

Helm = Callable[..., subprocess.CompletedProcess[str]]
Objects = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Find Helm, or fetch it once."""
    found = subprocess.run(
        [sys.executable, ROOT / "deploy" / "helm_binary.py"], check=True, capture_output=True, text=True, timeout=110
    ).stdout.strip()

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([found, *words], capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def objects(helm: Helm, tmp_path: Path) -> Callable[[dict[str, Any]], Objects]:
    """Render the chart: objects by kind; of several of one kind the last."""

    def render(values: dict[str, Any]) -> Objects:
        file = tmp_path / "values.yaml"
        file.write_text(json.dumps(values))
        done = helm("template", "learning-sidecar", CHART, "--namespace", "learning-system", "--values", file)
        assert done.returncode == 0, done.stderr
        return {one["kind"]: one for one in yaml.safe_load_all(done.stdout) if one}

    return render


EACH = pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))


@EACH
def test_lint_finds_nothing(helm: Helm, tmp_path: Path, values: dict[str, Any]) -> None:
    """With its strictest eye."""
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values))
    done = helm("lint", "--strict", CHART, "--values", file)
    assert done.returncode == 0, done.stdout


@EACH
@pytest.mark.parametrize("version", ["1.25", "1.29", "1.37"])
def test_kubernetes_takes_it(objects: Any, values: dict[str, Any], version: str) -> None:
    """Every object, unknown fields forbidden, from the oldest version that the chart allows to the newest."""
    for kind, one in objects(values).items():
        if kind not in OF_OTHERS:
            validate(one, version, strict=True)


@EACH
def test_the_injector_takes_its_file(objects: Any, values: dict[str, Any], tmp_path: Path) -> None:
    """What the chart writes for it can be read by it, and says what the values say."""
    file = tmp_path / "injector.yaml"
    file.write_text(objects(values)["ConfigMap"]["data"]["injector.yaml"])
    declared = read_declared(file)

    assert declared.native == values.get("sidecar", {}).get("native", True)
    assert declared.run_as_user == (None if "sidecar" in values else 65532)
    expected = f"mirror.example/it@sha256:{'0' * 64}" if "image" in values else f"learning-sidecar:{__version__}"
    assert declared.defaults["image"] == expected
    assert declared.defaults["redis-secret"] == "learning-redis/url"


def test_the_webhook_asks_only_for_who_wants_it(objects: Any) -> None:
    """Labelled pods, or silent ones in labelled namespaces; never the injector's own namespace or the system's."""
    webhooks = {one["name"]: one for one in objects({})["MutatingWebhookConfiguration"]["webhooks"]}
    pods, namespaces = webhooks["pod.injector.learning-sidecar"], webhooks["namespace.injector.learning-sidecar"]
    elsewhere = ["kube-system", "kube-node-lease", "learning-system"]
    labelled = {"key": INJECT, "operator": "In", "values": ["true"]}

    assert pods["objectSelector"]["matchExpressions"] == [labelled]
    assert labelled in namespaces["namespaceSelector"]["matchExpressions"]
    assert namespaces["objectSelector"]["matchExpressions"] == [{"key": INJECT, "operator": "DoesNotExist"}]
    for one in webhooks.values():
        excluded = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": elsewhere}
        assert excluded in one["namespaceSelector"]["matchExpressions"]
        assert (one["failurePolicy"], one["sideEffects"], one["timeoutSeconds"]) == ("Ignore", "None", 5)
        assert (one["reinvocationPolicy"], one["matchPolicy"]) == ("IfNeeded", "Equivalent")
        (rule,) = one["rules"]
        assert (rule["operations"], rule["resources"], rule["apiVersions"]) == (["CREATE"], ["pods"], ["v1"])
        assert one["clientConfig"]["service"]["path"] == PATH


def test_the_made_certificate_is_trusted(objects: Any, tmp_path: Path) -> None:
    """By the bundle, for the name by which the API server calls, for as long as is said."""
    made = objects({})
    for name, content in made["Secret"]["data"].items():
        (tmp_path / name).write_bytes(base64.b64decode(content))
    bundle = made["MutatingWebhookConfiguration"]["webhooks"][0]["clientConfig"]["caBundle"]
    (tmp_path / "bundle").write_bytes(base64.b64decode(bundle))
    name = "learning-sidecar-injector.learning-system.svc"
    words = ["verify", "-CAfile", "bundle", "-purpose", "sslserver", "-verify_hostname", name, "tls.crt"]
    done = subprocess.run(["openssl", *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_injector_may_do_nothing(objects: Any) -> None:
    """No role, no token, no way out of its namespace."""
    made = objects({})
    pod = made["Deployment"]["spec"]["template"]["spec"]

    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & made.keys()
    assert pod["automountServiceAccountToken"] is made["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert made["NetworkPolicy"]["spec"]["egress"] == []


@pytest.mark.parametrize(
    "values",
    [
        {"certificate": {"mode": "existing"}}, {"certificate": {"mode": "vault"}}, {"webhook": {"failurePolicy": ""}},
        {"webhook": {"timeoutSeconds": 31}}, {"sidecar": {"defaults": {"Image": "x"}}}, {"image": {"repository": ""}},
        {"replicas": 2}, {"injector": {"replicas": 0}}, {"image": {"digest": "latest"}},
    ],
)  # fmt: skip
def test_wrong_values_are_refused(helm: Helm, tmp_path: Path, values: dict[str, Any]) -> None:
    """By the schema, before anything reaches a cluster."""
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values))
    done = helm("template", "x", CHART, "--values", file)
    assert done.returncode != 0
    assert "values don't meet the specifications" in done.stderr


def test_another_name_makes_other_objects(helm: Helm) -> None:
    """Two releases do not get in each other's way."""
    done = helm("template", "second", CHART, "--namespace", "a")
    assert "name: second-learning-sidecar-injector" in done.stdout
    assert "name: learning-sidecar-injector\n" not in done.stdout.replace("app.kubernetes.io/name: learning", "")


def test_the_plain_manifests_are_up_to_date(helm: Helm) -> None:
    """What lies in deploy/manifests is what the chart makes."""
    assert helm("version").returncode == 0
    words = [sys.executable, ROOT / "deploy" / "render.py", "--check"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plain_manifests_are_taken() -> None:
    """By every version with native sidecars."""
    documents = list(yaml.safe_load_all((ROOT / "deploy/manifests/injector.yaml").read_text(encoding="utf-8")))
    assert documents[0]["kind"] == "Namespace"
    for minor in range(29, 38):
        for one in documents:
            if one["kind"] not in OF_OTHERS:
                validate(one, f"1.{minor}", strict=True)


def test_the_chart_has_this_version() -> None:
    """They are released together."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == __version__
