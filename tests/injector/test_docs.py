"""Goal: the pages cannot drift from the code. Method: each is compared with what it describes, its lines are run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.ops.injecting.container import ADDRESS, DATA_DIR, NO_SUCH_STORE, SOCKET_DIR
from sidecar.ops.injecting.declared import Declared, read_declared
from sidecar.ops.injecting.injection import Outcome
from sidecar.ops.injecting.instruments import InjectorMetrics
from sidecar.ops.injecting.manifests import with_sidecar
from sidecar.ops.injecting.wishes import VARIABLES, Wishes
from sidecar.settings.service import ServiceSettings
from sidecar.telemetry.exposition import exposition

ROOT = Path(__file__).parents[2]
QUOTE = '"'
KUBERNETES = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
DEBUGGING = (ROOT / "docs/debugging.md").read_text(encoding="utf-8")


def test_every_annotation_is_documented_with_its_default() -> None:
    """And no other."""
    lines = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \|", KUBERNETES, flags=re.MULTILINE))
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(Wishes)}
    expected = {
        name: f"`{json.dumps(value).strip(QUOTE)}`" if value != "" else "empty" for name, value in defaults.items()
    }
    assert {name: lines[name] for name in expected} == expected
    several = re.search(r"^\| (`in-flight-max`.*?) \|", KUBERNETES, flags=re.MULTILINE)
    assert several
    assert sorted(re.findall(r"`([a-z-]+)`", several[1])) == sorted(name.replace("_", "-") for name in VARIABLES)


def test_every_setting_of_a_pod_is_one_of_the_sidecar() -> None:
    """By the same name."""
    assert set(VARIABLES) <= set(ServiceSettings.__struct_fields__)


def test_every_metric_and_outcome_is_documented() -> None:
    """By the name that Prometheus sees."""
    documented = set(re.findall(r"^\| `(learning_injector_\w+)` \|", KUBERNETES, flags=re.MULTILINE))
    exposed = set(re.findall(r"^# TYPE (\w+)", exposition(InjectorMetrics().instruments), flags=re.MULTILINE))

    assert documented == exposed
    assert all(f"`{outcome}`" in KUBERNETES for outcome in Outcome)


@pytest.mark.parametrize("fact", [SOCKET_DIR, ADDRESS, NO_SUCH_STORE.split("/")[2].split(":")[0]])
def test_facts_are_as_they_are_told(fact: str) -> None:
    """Paths and names that people will look for."""
    assert fact in KUBERNETES
    assert DATA_DIR == "/var/lib/learning"  # where the image has it


def test_the_example_is_injected() -> None:
    """Without a warning, as it stands on the page."""
    example = re.search(r"```yaml\n(apiVersion.*?)```", KUBERNETES, flags=re.DOTALL)
    assert example
    (made,) = with_sidecar(example[1], Declared())
    assert (made.outcome, made.warnings) == (Outcome.INJECTED, [])


def test_the_example_of_the_file_is_valid(tmp_path: Path) -> None:
    """What people copy has to work."""
    example = re.search(r"```yaml\n(native.*?)```", KUBERNETES, flags=re.DOTALL)
    assert example
    file = tmp_path / "injector.yaml"
    file.write_text(example[1])
    assert read_declared(file).native


def test_every_value_of_the_chart_is_documented() -> None:
    """In its README, by name."""
    page = (ROOT / "deploy/helm/learning-sidecar/README.md").read_text(encoding="utf-8")
    schema = json.loads((ROOT / "deploy/helm/learning-sidecar/values.schema.json").read_text(encoding="utf-8"))
    for table, content in schema["properties"].items():
        for name in content.get("properties", {}):
            assert f"`{table}.{name}`" in page or f"`.{name}`" in page, f"{table}.{name}"


def test_the_lines_of_the_debugging_page_work(sidecars: Callable[..., Any], data_dir: Path) -> None:
    """Those over the socket, in order, against a real sidecar."""
    path = data_dir / "sidecar.sock"
    sidecars(arguments=("--address", f"unix:{path}"))
    lines = [line for line in DEBUGGING.splitlines() if line.startswith("grpcurl ")]
    assert len(lines) == 5
    for line in lines:
        ours = line.replace("/run/learning/sidecar.sock", str(path))
        ours = ours.replace("grpcurl ", f"{Path(sys.executable).parent / 'grpcurl'} ", 1)
        done = subprocess.run(ours, shell=True, capture_output=True, text=True, timeout=20, check=False)  # noqa: S602
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_commands_of_the_debugging_page_exist() -> None:
    """What is run inside of the image."""
    commands = set(re.findall(r"-- learning-sidecar ([a-z-]+)", DEBUGGING))
    assert commands == {"health", "status", "doctor", "check-config"}
    for name in commands:
        done = subprocess.run([sys.executable, "-m", "sidecar", name, "--help"], capture_output=True, check=False)
        assert done.returncode == 0
