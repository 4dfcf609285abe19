"""Goal: the documentation cannot drift from the code. Method: each page is compared with what it describes."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar import __version__
from sidecar.api.statuses import STATUSES
from sidecar.model.gate import GateState
from sidecar.model.mode import WIRED_DOMAINS
from sidecar.settings import domain
from sidecar.settings.file import read_configuration
from sidecar.settings.flags import GLOBAL_FLAG, flag_name
from sidecar.settings.service import ServiceSettings
from sidecar.store.fields import ACCOUNT_FIGURES, COUNTERS, FIGURES, MEASURES
from sidecar.store.gate_fields import gate_fields
from sidecar.store.keys import DOMAIN_KINDS
from sidecar.telemetry.exposition import exposition
from sidecar.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def defaults_of(kind: type[msgspec.Struct]) -> dict[str, object]:
    """Plain defaults by field."""
    return {f.name: f.default for f in msgspec.structs.fields(kind) if isinstance(f.default, (str, int, float))}


def test_every_variable_is_documented_with_its_default() -> None:
    """docs/settings.md has a line for each, and no line for another."""
    text = page("docs/settings.md")
    lines = dict(re.findall(r"^\| `LEARNING_([A-Z_]+)` \| (.*?) \|", text, flags=re.MULTILINE))

    for name, default in defaults_of(ServiceSettings).items():
        shown = f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default else "empty"
        assert lines.pop(name.upper()) == shown
    assert not lines


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (domain.DomainSettings, ""), (domain.GateSettings, "gate."), (domain.PolicySettings, "policy."),
        (domain.RewardSettings, "reward."), (domain.SignalSettings, "reward.signals.*."),
        (domain.BudgetSettings, "budget."), (domain.LatencySettings, "latency."),
        (domain.AveragesSettings, "averages."), (domain.ArmSettings, "arms.*."),
    ],
)  # fmt: skip
def test_every_key_is_documented(kind: type[msgspec.Struct], prefix: str) -> None:
    """docs/settings.md has a line for each key, with its default."""
    text = page("docs/settings.md")
    for field in msgspec.structs.fields(kind):
        found = re.search(rf"^\| `{re.escape(prefix + field.name)}` \| (.*?) \|", text, flags=re.MULTILINE)
        assert found, prefix + field.name
        if isinstance(field.default, float):
            assert found.group(1) == f"`{field.default:g}`"
        elif isinstance(field.default, (bool, int, str)):
            assert found.group(1) == f"`{str(field.default).lower()}`"


def test_every_flag_is_documented() -> None:
    """The switches by name."""
    text = page("docs/settings.md")
    assert all(f"`{name}`" in text for name in (GLOBAL_FLAG, *(flag_name(one) for one in WIRED_DOMAINS)))


def test_the_example_of_the_settings_is_valid(tmp_path: Path) -> None:
    """What people copy has to work."""
    example = re.search(r"```yaml\n(.*?)```", page("docs/settings.md"), flags=re.DOTALL)
    assert example
    file = tmp_path / "domains.yaml"
    file.write_text(example.group(1))

    assert read_configuration(file).domain("route").budget.limit_usd == 50


def test_every_key_of_the_store_is_documented() -> None:
    """docs/keys.md names each kind of key and each field."""
    text = page("docs/keys.md")
    kinds = set(re.findall(r":<domain>:(\w+)`", text))
    fields = set(re.findall(r"^\| (?:workspace|arms|recent|gate) \| `(.*?)`", text, flags=re.MULTILINE))
    levels = {f"{figure}:<level>" for figure in (*ACCOUNT_FIGURES, "window")}
    arms = {f"{figure}:<arm>" for figure in (*FIGURES, *MEASURES)}
    gate = {"revision", "mode", "reason", "settings", "changed_at_ms"} | set(gate_fields(GateState()))
    epochs = {"epoch", "folded", "unfolded_ppm", "cell:<n>"}

    assert kinds == set(DOMAIN_KINDS)
    others = {"version", "domain:<name>", "delay_ms", "lease_nano:domain/<name>/<sidecar>"}
    assert fields == levels | arms | gate | epochs | others | set(COUNTERS)


def test_every_error_is_documented() -> None:
    """docs/errors.md has each reason with its status."""
    lines = dict(re.findall(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \|", page("docs/errors.md"), flags=re.MULTILINE))
    expected = {error.reason: status.name for error, status in STATUSES.items()} | {"INTERNAL": "INTERNAL"}

    assert lines == expected


def test_every_metric_is_documented() -> None:
    """docs/metrics.md has each metric by the name that Prometheus sees."""
    documented = set(re.findall(r"^\| `(learning_\w+)` \|", page("docs/metrics.md"), flags=re.MULTILINE))
    exposed = set(re.findall(r"^# TYPE (\w+)", exposition(Metrics(()).instruments), flags=re.MULTILINE))

    assert documented == exposed


def test_every_policy_is_documented() -> None:
    """docs/policies.md has a section for each entry point."""
    headings = set(re.findall(r"^## `(\w+)`", page("docs/policies.md"), flags=re.MULTILINE))
    assert headings == {one.name for one in entry_points(group="learning_sidecar.policies")}


def test_the_changelog_has_this_version() -> None:
    """A version is released with its entry."""
    assert f"## [{__version__}]" in page("CHANGELOG.md")


def test_links_between_pages_resolve() -> None:
    """A link to a file leads to a file."""
    for file in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_the_in_process_example_of_the_readme_works() -> None:
    """What people copy has to work."""
    examples = re.findall(r"```python\n(.*?)```", page("README.md"), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(examples[1], names)  # noqa: S102 - our own page

    assert names["arm"] in ("small-model", "large-model")
