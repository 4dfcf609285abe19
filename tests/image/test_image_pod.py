"""Goal: an injected pod works as it is. Method: the example app's manifest is injected and run by `podman kube play`.

podman 4.3 hangs at native sidecars and times probes by systemd. So the sidecar is moved to the other containers, the
app waits for its socket as Kubernetes would make it wait, and the probes are asked by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .engine import Engine

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

APP = "localhost/learning-example:test"
APP_USER = 1000
DECISIONS = 50
_END_S = 60.0
_WAITING = """
import pathlib, runpy, time
while not pathlib.Path("/run/learning/sidecar.sock").exists():
    time.sleep(0.05)
runpy.run_path("/app/app.py", run_name="__main__")
"""
_APP = """
FROM {image}
COPY clients/python/learning_client/ /app/learning_client/
COPY clients/python/example/app.py /app/app.py
ENV PYTHONPATH=/app LEARNING_ADDRESS=
ENTRYPOINT ["python"]
"""
_ASKS = """
import urllib.request
for path in {paths}:
    assert urllib.request.urlopen("http://127.0.0.1:{port}" + path).status == 200, path
"""


def manifest(image: str) -> dict[str, Any]:
    """The app's pod as its author writes it: a restricted one, of a user of its own, that knows of no sidecar."""
    app = {
        "name": "app",
        "image": APP,
        "imagePullPolicy": "Never",
        "args": ["-c", _WAITING.strip()],  # podman 4.3 cannot read a text that begins with an empty line
        "env": [
            {"name": "EXAMPLE_REQUESTS", "value": str(DECISIONS)},
            {"name": "EXAMPLE_TIMEOUT_MS", "value": "5000"},
        ],
        "securityContext": {
            "runAsUser": APP_USER,
            "runAsGroup": APP_USER,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    annotations = {"redis-secret": "none", "image": image, "image-pull-policy": "Never"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "learning-example",
            "labels": {"learning-sidecar/inject": "true"},
            "annotations": {f"learning-sidecar/{name}": value for name, value in annotations.items()},
        },
        "spec": {"restartPolicy": "Never", "containers": [app]},
    }


def injected(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod with the sidecar in it, as the webhook would make it."""
    command = [sys.executable, "-m", "sidecar", "inject", "--strict"]
    done = subprocess.run(command, input=json.dumps(pod), check=True, capture_output=True, text=True)
    result: dict[str, Any] = yaml.safe_load(done.stdout)
    return result


def for_podman(pod: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod as podman 4.3 can run it, and the sidecar's probes."""
    (sidecar,) = pod["spec"].pop("initContainers")
    assert sidecar.pop("restartPolicy") == "Always"
    probes = {name: sidecar.pop(name) for name in ("startupProbe", "livenessProbe")}
    del sidecar["ports"]  # podman would publish them, which it cannot without a network
    sidecar["env"] = [one for one in sidecar["env"] if one["name"] != "POD_NAMESPACE"]  # podman has none
    pod["spec"]["containers"].insert(0, sidecar)
    return pod, probes


@pytest.fixture(scope="module")
def app_image(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Put the example and its client on what is there already: the sidecar's image has Python and grpcio."""
    directory = tmp_path_factory.mktemp("app")
    (directory / "Containerfile").write_text(_APP.format(image=image))
    (directory / "ignore").write_text("*\n!clients/python/learning_client\n!clients/python/example\n**/__pycache__\n")
    engine(
        "buildah", "bud", "--isolation", "chroot", "--ignorefile", str(directory / "ignore"),
        "-f", str(directory / "Containerfile"), "-t", APP, ".",
    )  # fmt: skip
    return APP


@pytest.fixture
def playing(engine: Engine, image: str, app_image: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Run the injected pod, and remove it at the end; yields the sidecar's probes."""
    assert app_image == APP
    pod, probes = for_podman(injected(manifest(image)))
    file = tmp_path / "pod.yaml"
    file.write_text(json.dumps(pod))  # which is YAML as well
    try:
        engine("podman", "kube", "play", "--replace", "--network", "none", str(file))
        yield probes
    finally:
        engine("podman", "kube", "down", str(file))


def test_an_injected_app_learns(engine: Engine, playing: dict[str, Any]) -> None:
    """The example, which was told nothing, decides over the socket as a user of its own, and every reward counts."""
    app, sidecar = "learning-example-app", "learning-example-learning-sidecar"
    deadline = time.monotonic() + _END_S
    while engine.inspect("container", app)["State"]["Running"] and time.monotonic() < deadline:
        time.sleep(0.1)
    printed = engine("podman", "logs", app)
    paths = [probe["httpGet"]["path"] for probe in playing.values()]
    (port,) = {probe["httpGet"]["port"] for probe in playing.values()}
    engine("podman", "exec", sidecar, "python", "-c", _ASKS.format(paths=paths, port=port))
    engine("podman", "stop", sidecar)

    assert f"{DECISIONS} decisions, {DECISIONS} rewards applied" in printed
    assert engine.inspect("container", app)["State"]["ExitCode"] == 0
    assert engine.inspect("container", sidecar)["State"]["ExitCode"] == 0
