"""Goal: the conformance suite passes a client that conforms, and finds one that does not.

Method: the real suite with real sidecars; drivers with one fault each; scenarios with one mistake each.
"""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path
from typing import NoReturn, get_args

import pytest
import run
from acting import expectation, orders
from acting.acting import PASSED
from acting.errors import BadScenario
from acting.expectation import OPERATORS, differences
from acting.languages import Language, languages
from acting.matrix import Verdicts, failures, verdicts
from acting.reading import scenario, scenarios
from acting.scenario import Fault
from acting.sharing import sharing

ROOT = Path(__file__).parents[2]
FAULTY = {
    "none": "",
    "last_on_fallback": "missing",
    "acts_when_refused": "refused",
    "swallows": "act-raises-worst",
}
"""By fault, the scenario that finds it."""


@pytest.mark.timeout(300)
def test_the_python_clients_pass() -> None:
    """Both of them, in every scenario."""
    clients = {name: one for name, one in languages().items() if name.startswith("python")}
    found = verdicts(clients, scenarios())

    assert failures(found) == []
    assert list(found) == ["python", "python-asyncio"]
    assert all(len(column) == len(scenarios()) for column in found.values())


@pytest.fixture(scope="module")
def found() -> Verdicts:
    """Let drivers with a fault, and a language without its tools, act some scenarios."""
    # By -c, so that the driver's own package is found where it runs.
    command = f"import runpy; runpy.run_path({str(Path(__file__).parent / 'broken.py')!r}, run_name='__main__')"
    broken = {
        fault: Language(directory="../python", driver=["$python", "-c", command, fault])
        for fault in (*FAULTY, "liar", "unsupported", "ends")
    }
    toolless = Language(directory="../python", build=[["no-such-compiler"]], driver=["$python"])
    failing = Language(directory="../python", build=[["$python", "-c", "exit('no way')"]], driver=["$python"])
    homeless = Language(directory="../cobol", driver=["$python"])
    acted = [one for one in scenarios() if one.name in {*FAULTY.values(), "happy-path", "fake"}]
    return verdicts({**broken, "toolless": toolless, "failing": failing, "homeless": homeless}, acted)


@pytest.mark.parametrize(("fault", "finder"), FAULTY.items())
def test_a_fault_is_found(found: Verdicts, fault: str, finder: str) -> None:
    """By the scenario that is about it; without a fault the same driver passes."""
    failed = {name for name, verdict in found[fault].items() if verdict != PASSED}

    assert (finder in failed) if finder else not failed
    assert len(failed) < len(found[fault])


def test_the_sidecar_has_the_last_word(found: Verdicts) -> None:
    """A driver that says what is expected, without having done it, fails by what the sidecar counted."""
    assert found["liar"]["happy-path"].startswith("fail: step 3, status: ")
    assert "applied is 0, not 1" in found["liar"]["happy-path"]


def test_unsupported_is_a_failure(found: Verdicts) -> None:
    """Not a skip."""
    assert found["unsupported"]["happy-path"] == "fail: step 2, decide: unsupported: decide"


def test_a_driver_that_ends_fails_its_scenario(found: Verdicts) -> None:
    """And only that: it is started again for the next one."""
    assert all("its driver ended at decide" in verdict for verdict in found["ends"].values())


@pytest.mark.parametrize(
    ("language", "why"),
    [
        ("toolless", "no-such-compiler is not installed"),
        ("failing", "ended with 1: no way"),
        ("homeless", "there is no ../cobol"),
    ],
)
def test_a_language_that_cannot_be_built_fails_everything(found: Verdicts, language: str, why: str) -> None:
    """Says what is missing; nothing is skipped."""
    assert {verdict.startswith("fail: ") and why in verdict for verdict in found[language].values()} == {True}


GOOD = "about: x\nsteps: [{order: {op: open}}]"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("about: [", "bad.yaml: "),
        ("about: x", "a list of `steps`"),
        (GOOD + "\nname: other", "a scenario's name is that of its file"),
        (GOOD + "\nnote: x", "`note`"),
        (GOOD + "\nnobody: true\npeer: {}", "exclude each other"),
        (GOOD + "\nsidecar: {setting: {}}", "`setting`"),
        ("about: x\nsteps: [{order: {op: open}}, {order: {op: decid}}]", "step 2: "),
        (
            "about: x\nsteps: [{order: {op: decide, candidate: [a]}}]",
            "step 1: Object contains unknown field `candidate`",
        ),
        ("about: x\nsteps: [{order: {op: decide, act: {raise: loudly}}}]", "step 1: Invalid enum value 'loudly'"),
        ("about: x\nsteps: [{order: {op: decide}, expects: {}}]", "step 1: Object contains unknown field `expects`"),
        ("about: x\nsteps: [{order: {op: decide}, expect: {am: a}}]", "step 1: the answer to decide has no 'am'"),
        ("about: x\nsteps: [{order: {op: decide}, keep: {a: am}}]", "step 1: the answer to decide has no 'am'"),
        ("about: x\nsteps: [{order: {op: reward, decision_id: $first}}]", "step 1: $first is not known here"),
        ("about: x\nsteps: [{order: {op: decide}, expect: {arm: $token}}]", "step 1: $token is not known here"),
        (
            "about: x\nsteps: [{order: {op: decide}, mistake: true, expect: {arm: a}}]",
            "step 1: a mistake has no answer",
        ),
        ("about: x\nsteps: [{order: {op: decide}, sidecar: kill}]", "step 1: a step has one of"),
        ("about: x\nsteps: [{}]", "step 1: a step has one of"),
        ("about: x\nsteps: [{sidecar: explode}]", "step 1: "),
        ("about: x\nsteps: [{sidecar: {status: {domain: route}}}]", "step 1: looks and expects nothing"),
        ("about: x\nsteps: [{sidecar: kill, expect: {}}]", "step 1: nothing comes back"),
        ("about: x\nsteps: [{peer: Reward, expect: {}}]", "step 1: there is no peer"),
        ("about: x\nnobody: true\nsteps: [{sidecar: kill}]", "step 1: there is no sidecar here"),
    ],
)
def test_what_cannot_be_acted_is_refused(tmp_path: Path, content: str, said: str) -> None:
    """The error names the file and the step."""
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(BadScenario) as refused:
        scenario(file)

    assert str(refused.value).startswith("bad.yaml: ")
    assert said in str(refused.value)


def test_one_domain_has_one_meaning(tmp_path: Path) -> None:
    """Scenarios that share a sidecar cannot want the same domain in different ways."""
    (tmp_path / "one.yaml").write_text(
        "about: x\nsidecar: {domains: {route: {mode: 'off'}}}\nsteps: [{order: {op: open}}]"
    )
    (tmp_path / "two.yaml").write_text("about: x\nsteps: [{order: {op: decide, domain: route, candidates: [a]}}]")
    with pytest.raises(BadScenario, match=r"two.yaml: another scenario declares the domain route differently"):
        sharing(scenarios(tmp_path))


def test_no_scenario_is_no_pass(tmp_path: Path) -> None:
    """An empty folder would otherwise conform."""
    with pytest.raises(BadScenario, match="there is no scenario"):
        scenarios(tmp_path)


def test_the_readme_names_everything() -> None:
    """Ops, operators and steps, each in its table: the README is what a driver is written from."""
    readme = (ROOT / "clients" / "conformance" / "README.md").read_text()
    ops = {order.__struct_config__.tag for order in get_args(orders.AnyOrder)}
    rows = "\n".join(line.split("|")[1] for line in readme.splitlines() if line.startswith("|"))

    assert {op for op in ops if f"`{op}`" not in rows} == set()
    assert {name for name in OPERATORS if f"`{{{name}: " not in rows} == set()
    assert {fault for fault in get_args(Fault) if f"`{fault}`" not in rows and f": {fault}`" not in rows} == set()


def test_examples_in_docstrings_are_true() -> None:
    """The suite is no package that pytest collects, so its examples are run here."""
    result = doctest.testmod(expectation)

    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("expected", "good", "bad"),
    [
        ({"a": 1}, {"a": 1.0, "b": 2}, {"a": 2}),
        ({"a": True}, {"a": True}, {"a": 1}),
        ({"a": 1}, {"a": 1}, {"a": True}),
        ({"a": None}, {"a": None}, {}),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, {"a": None}),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}]}, {"a": [1]}),
        ({"a": {"one_of": [1, None]}}, {"a": None}, {"a": 2}),
        ({"a": {"at_most": 2}}, {"a": 2}, {"a": 2.1}),
        ({"a": {"at_most": 2}}, {"a": 0}, {}),
        ({"a": {"at_least": 2}}, {"a": 2}, {"a": "3"}),
        ({"a": {"between": [1, 2]}}, {"a": 1.5}, {"a": True}),
        ({"a": {"absent": True}}, {"a": ""}, {"a": 0}),
        ({"a": {"absent": False}}, {"a": 0}, {}),
        ({"a": {"length": 2}}, {"a": [1, 2]}, {"a": 2}),
        ({"a": {"length": 0}}, {"a": {}}, {}),
        ({"a": {"contains": "x"}}, {"a": "axb"}, {"a": None}),
        ({"a": {"contains": {"x": 1}}}, {"a": [{}, {"x": 1}]}, {"a": [{"x": 2}]}),
        ({"a": {"each": {"x": 1}}}, {"a": [{"x": 1}]}, {"a": []}),
        ({"a": {"all_of": [{"length": 1}, {"x": 1}]}}, {"a": {"x": 1}}, {"a": {"x": 1, "y": 1}}),
        ({"a": {"distinct": "x"}}, {"a": [{"x": 1}, {"x": 2}]}, {"a": [{"x": 1}, {"x": 1}]}),
    ],
)
def test_what_came_is_compared(expected: object, good: object, bad: object) -> None:
    """Every operator accepts what it says, and nothing else."""
    assert differences(expected, good) == []
    assert len(differences(expected, bad)) == 1


def test_the_command(tmp_path: Path) -> None:
    """One JSON object, and an exit status that says whether all passed."""
    command = [sys.executable, str(ROOT / "clients" / "conformance" / "run.py")]
    chosen = ["--language", "python", "--scenario", "missing", "--scenario", "fake"]
    passed = subprocess.run([*command, *chosen, "--json"], capture_output=True, text=True, check=False, cwd=tmp_path)
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=False, cwd=tmp_path)
    unknown = subprocess.run(
        [*command, "--language", "cobol"], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert json.loads(passed.stdout) == {"languages": {"python": {"fake": PASSED, "missing": PASSED}}}
    assert passed.returncode == 0
    assert [line.split(":")[0] for line in listed.stdout.splitlines()] == [one.name for one in scenarios()]
    assert unknown.returncode == 2


def test_a_failure_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In the table, in a sentence, and by the exit status."""
    homeless = Language(directory="../cobol", driver=["cobol"])
    monkeypatch.setattr(run, "languages", lambda: {"cobol": homeless})
    status = run.main(["--scenario", "fake"])

    assert status == 1
    assert "cobol, fake: there is no ../cobol" in capsys.readouterr().out


def test_a_bad_scenario_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no verdict about a client, so the exit status is another one."""

    def bad() -> NoReturn:
        raise BadScenario("bad.yaml: step 1: nonsense")

    monkeypatch.setattr(run, "scenarios", bad)
    status = run.main([])

    assert status == 2
    assert "bad.yaml: step 1: nonsense" in capsys.readouterr().err
