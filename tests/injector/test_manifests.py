"""Goal: manifests get the same as pods do. Method: the command `inject` on files as people write them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sidecar.ops.injecting.container import NO_SUCH_STORE
from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.injection import Outcome
from sidecar.ops.injecting.manifests import with_sidecar
from tests.injector.patching import injected, sidecar_of
from tests.injector.pods import CASES, Document, pod

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat
spec:
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
      containers:
        - name: app
          image: chat:1
"""
SERVICE = """\
apiVersion: v1
kind: Service   # left alone, with this comment
metadata: {name: chat}
spec:
  ports: [{port: 80}]
"""


def run(*options: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command."""
    words = [sys.executable, "-m", "sidecar", "inject", *options]
    return subprocess.run(words, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_a_stream_of_manifests() -> None:
    """Templates get the sidecar; the rest is printed as it was written, byte for byte."""
    done = run(text=f"{SERVICE}---\n{DEPLOYMENT}--- # another\n\n---\n{SERVICE}")
    first, second, third = done.stdout.split("---\n")

    assert done.returncode == 0, done.stderr
    assert first == third == SERVICE
    assert sidecar_of(yaml.safe_load(second)["spec"]["template"])["restartPolicy"] == "Always"
    assert run(text=done.stdout).stdout == done.stdout


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.outcome is Outcome.INJECTED])
def test_it_is_what_the_webhook_does(name: str) -> None:
    """The same pod, through YAML and back, but for the store's URL: server-side apply takes no name twice."""
    (made,) = with_sidecar(yaml.safe_dump(CASES[name].pod, sort_keys=False), Declared())
    assert yaml.safe_load(made.text) == with_one_url(injected(CASES[name].pod))


def with_one_url(made: Document) -> Document:
    """Make the secret of a pod one that has to be there, without what counts where it is missing."""
    variables = sidecar_of(made)["env"]
    if any("valueFrom" in one for one in variables if one["name"] == "LEARNING_REDIS_URL"):
        variables[:] = [one for one in variables if one.get("value") != NO_SUCH_STORE]
        (url,) = [one for one in variables if one["name"] == "LEARNING_REDIS_URL"]
        del url["valueFrom"]["secretKeyRef"]["optional"]
    return made


def test_no_list_of_a_manifest_has_a_name_twice() -> None:
    """Server-side apply refuses it."""
    (made,) = with_sidecar(DEPLOYMENT, Declared())
    names = [one["name"] for one in sidecar_of(yaml.safe_load(made.text)["spec"]["template"])["env"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet", "Job"])
def test_every_kind_with_a_template(kind: str) -> None:
    """Wherever it keeps its pod."""
    document = {"kind": kind, "metadata": {"name": "x"}, "spec": {"template": {"spec": pod()["spec"]}}}
    (made,) = with_sidecar(yaml.safe_dump(document), Declared())

    assert sidecar_of(yaml.safe_load(made.text)["spec"]["template"])
    assert made.title == f"{kind} x"


def test_a_cron_job_has_the_template_of_a_template() -> None:
    """One step deeper than the others."""
    template = {"spec": pod()["spec"] | {"restartPolicy": "Never"}}
    (made,) = with_sidecar(
        yaml.safe_dump({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": template}}}}), Declared()
    )
    assert sidecar_of(yaml.safe_load(made.text)["spec"]["jobTemplate"]["spec"]["template"])


def test_json_and_lists() -> None:
    """JSON stays JSON; in a List each item is looked at."""
    whole = {
        "kind": "List",
        "items": [pod(), {"kind": "Service", "metadata": {"name": "s"}}, pod(os={"name": "windows"})],
    }
    done = run(text=json.dumps(whole))
    items = json.loads(done.stdout)["items"]

    assert items[0] == with_one_url(injected(pod()))
    assert items[1:] == whole["items"][1:]
    assert "warning: Pod app-1: no learning sidecar" in done.stderr


def test_scalars_mean_what_they_meant() -> None:
    """What Kubernetes reads from the output is what it would have read from the input."""
    text = (
        "kind: Pod\nmetadata: {name: x, annotations: {date: 2026-01-31, ratio: 1:30, is: 'on', commit: '12e4567'}}\n"
        "spec:\n  containers: [{name: a, image: i, args: ['0o17', 'y', '1e3', '012', 'null', '1_000']}]\n"
        "  mode: 0644\n  float: 1e3\n"
    )
    (made,) = with_sidecar(text, Declared())
    found = yaml.safe_load(made.text)

    assert found["metadata"]["annotations"] | {"learning-sidecar/injected": ""} == {
        "date": "2026-01-31", "ratio": "1:30", "is": "on", "commit": "12e4567", "learning-sidecar/injected": "",
    }  # fmt: skip
    assert found["spec"]["containers"][0]["args"] == ["0o17", "y", "1e3", "012", "null", "1_000"]
    assert all(f"- '{one}'\n" in made.text for one in found["spec"]["containers"][0]["args"])
    assert (found["spec"]["mode"], found["spec"]["float"]) == (0o644, 1000.0)


def test_nothing_is_written_as_a_reference() -> None:
    """Anchors are written out: some readers of manifests take none."""
    text = (
        "kind: Pod\nspec:\n  containers:\n    - {name: a, image: i, env: &e []}\n    - {name: b, image: i, env: *e}\n"
    )
    (made,) = with_sidecar(text, Declared())
    assert "&" not in made.text
    assert "*" not in made.text


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("kind: Pod\nspec: {os: {name: windows}, containers: [{name: a, image: i}]}", [], 0),
        ("kind: Pod\nspec: {os: {name: windows}, containers: [{name: a, image: i}]}", ["--strict"], 1),
        ("kind: Pod\nmetadata: {labels: {learning-sidecar/inject: 'false'}}\nspec: {}", ["--strict"], 0),
        ("kind: Pod\nmetadata: {annotations: {learning-sidecar/x: y}}\nspec: {}", ["--strict"], 1),
        (DEPLOYMENT, ["--strict"], 0),
        ("", [], 0),
        ("kind: Pod\nspec: []", [], 2),
        ("kind: Deployment\nspec: {}", [], 2),
        ("a: [", [], 2),
        ("", ["-f", "/nowhere"], 2),
    ],
)
def test_the_exit_code_says_how_it_went(text: str, options: list[str], code: int) -> None:
    """With --strict a pod that was left alone unasked is a failure; what cannot be read always is one."""
    done = run(*options, text=text)
    assert done.returncode == code, done.stderr
    assert bool(done.stderr) == (code > 0 or "windows" in text)


def test_the_injector_s_file_counts(tmp_path: Path) -> None:
    """The same file as the webhook's."""
    file = tmp_path / "injector.toml"
    file.write_text('native = false\n[defaults]\nimage = "it:2"\n')
    done = run("--config", str(file), text=DEPLOYMENT)
    found = yaml.safe_load(done.stdout)["spec"]["template"]["spec"]["containers"][1]

    assert (found["name"], found["image"]) == ("learning-sidecar", "it:2")


def test_a_document_beside_its_separator_is_kept() -> None:
    """YAML lets a document begin on the line of its dashes."""
    text = 'kind: ConfigMap\n--- {"kind": "Secret", "metadata": {"name": "kept"}}\n--- # a comment\nkind: Service\n'

    assert [one.title for one in with_sidecar(text, Declared())] == ["ConfigMap", "Secret", "Service"]


def test_kinds_of_others_are_left_alone() -> None:
    """A Job is not always one of Kubernetes."""
    text = "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nspec: {tasks: []}\n"

    assert [(one.text, one.outcome) for one in with_sidecar(text, Declared())] == [(text, None)]
