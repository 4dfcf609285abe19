"""The Lua files: what their headers say is what their bodies do."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import get_args

import pytest

from sidecar.model.gate import Cell, GateState
from sidecar.store import transitions as t
from sidecar.store.codes import Code
from sidecar.store.gate_fields import gate_fields
from sidecar.store.keys import DOMAIN_KINDS
from sidecar.store.leasing import Lease, lease_call
from sidecar.store.lua import script, script_names
from sidecar.store.wire import call_for, read_call

from .conftest import FREE, Transitions

NAMES = script_names()
ONE_DOMAIN = [name for name in NAMES if name not in ("restore", "snapshot")]
MADE = Transitions("w")
SAMPLES: list[t.Transition] = [
    MADE.issue(), MADE.settle(), MADE.release(), MADE.expire(), MADE.mode("off"), t.Restore("default", "w", (), {}),
    t.Fold(MADE.scope(), 0, Cell(1, 0, 1, 1, 0, 0, (0,)), GateState(), 0),
]  # fmt: skip


def text(name: str) -> str:
    """Read a file of the package."""
    return files("sidecar.store.scripts").joinpath(f"{name}.lua").read_text(encoding="utf-8")


def header(name: str) -> str:
    """Take the comment at the top, without the shebang."""
    lines = text(name).splitlines()[1:]
    return "\n".join(lines[: next(at for at, line in enumerate(lines) if not line.startswith("--"))])


def body(name: str) -> str:
    """Take what follows the header, without comments."""
    return re.sub(r"--.*", "", text(name))


def section(name: str, title: str) -> str:
    """Take one section of the header: from its title to the next one."""
    pattern = rf"^-- {title}(.*?)(?=^-- (?:KEYS|ARGV|Returns|Why)|^--$|\Z)"
    found = re.search(pattern, header(name), re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no {title}"
    return found.group(1)


def documented(name: str, title: str) -> list[int]:
    """List the numbers that a section explains: at the start of a line, or after two spaces."""
    return [int(number) for number in re.findall(r"(?:^|--\s+|\s{2})(\d+) (?=\S)", section(name, title))]


def used(name: str) -> set[int]:
    """List the arguments that a script names by number, or at which it begins to walk."""
    pattern = r"ARGV\[(\d+)\]|local at = (\d+)$|for at = (\d+), #ARGV|local at = (\d+) \+ 6"
    return {int("".join(found)) for found in re.findall(pattern, body(name), re.MULTILINE)}


def calls() -> list[tuple[str, int, int]]:
    """Name each script that a transition runs, and count its keys and arguments."""
    lease = Lease(MADE.scope(), "one", 1, 0, 5, 1000, t.Level(), t.Level())
    made = [
        *(call_for("learning", sample) for sample in SAMPLES), read_call("w", lambda _: ("k",) * 8, ["d"]),
        lease_call("learning", lease),
    ]  # fmt: skip
    return [(one.script, len(one.keys), len(one.arguments)) for one in made]


@pytest.mark.parametrize("name", NAMES)
def test_header_says_all_there_is_to_know(name: str) -> None:
    """A script begins with its shebang and its name, and explains keys, arguments, answers and atomicity."""
    assert re.match(r"#!lua( flags=[\w,-]+)?\n-- " + name + r": \w.*\.", text(name))
    assert all(section(name, title).strip() for title in ("KEYS", "ARGV", "Returns", "Why atomic:"))


@pytest.mark.parametrize("name", NAMES)
def test_each_argument_is_documented_once_and_used(name: str) -> None:
    """The numbers that the header explains are those that the body names, in order."""
    explained = documented(name, "ARGV")
    assert explained == sorted(set(explained))
    assert set(explained) == used(name)


@pytest.mark.parametrize("name", ONE_DOMAIN)
def test_keys_of_a_domain_come_in_one_order(name: str) -> None:
    """Every script of one domain explains the same eight keys in the order in which they are sent."""
    kinds = [*DOMAIN_KINDS, "workspace"]
    assert re.findall(r"(\d) (\w+)", section(name, "KEYS")) == [(str(at), kind) for at, kind in enumerate(kinds, 1)]
    assert re.search(r"domain_keys\(KEYS, ARGV\[1\]\)", body(name))


@pytest.mark.parametrize("name", ["restore", "snapshot"])
def test_keys_of_many_domains_follow_the_workspace(name: str) -> None:
    """A script of a whole workspace explains and uses the workspace's key first."""
    assert documented(name, "KEYS") == [1]
    assert "KEYS[1]" in body(name)


@pytest.mark.parametrize("name", NAMES)
def test_each_answer_is_documented(name: str) -> None:
    """The codes that the header says are returned are those that the body uses."""
    codes = {code.name for code in Code}
    told = set(re.findall(r"\{([A-Z_]+)\b", header(name)))
    assert told == codes.intersection(re.findall(r"\b[A-Z_]+\b", body(name)))


@pytest.mark.parametrize("name", NAMES)
def test_includes_lead_somewhere(name: str) -> None:
    """Every part that a script includes is put in place."""
    assert "@include" not in script(name).source
    assert script(name).source.startswith("#!lua")


def test_every_script_has_a_transition() -> None:
    """Each script is what some transition runs, or a lease, and each transition runs one."""
    assert sorted(name for name, _, _ in calls()) == NAMES
    assert len(get_args(t.Transition)) == len(set(NAMES) - {"lease"})


@pytest.mark.parametrize(("name", "keys", "arguments"), calls())
def test_calls_fit_the_header(name: str, keys: int, arguments: int) -> None:
    """As many keys and arguments are sent as the header explains; fields of the gate in pairs where these begin."""
    fields = 2 * len(gate_fields(GateState()))
    counted = {"recommend": 20 + 6 + 6, "restore": 2, "snapshot": 1, "set_mode": 6 + fields, "fold": 7 + fields}
    assert arguments == counted.get(name, len(documented(name, "ARGV")))
    assert keys == {"restore": 1, "snapshot": 9}.get(name, 8)


@pytest.mark.parametrize(("name", "first"), [("set_mode", 7), ("fold", 8)])
def test_what_is_repeated_comes_last(name: str, first: int) -> None:
    """The last argument that a header explains is the first of those that come as often as there is something."""
    assert re.search(rf"^--\s+{first} and more\b", section(name, "ARGV"), re.MULTILINE)
    assert re.search(rf"for at = {first}, #ARGV", body(name))
    assert max(documented(name, "ARGV")) == first


def test_more_offers_are_six_arguments_each() -> None:
    """An offer is sent as threshold, what that is compared with, arm, ceiling, answer, and whether it is a sample."""
    more = t.Offer(7, "b", 7, "answer b", unpaced=True, sampled=True)
    sent = call_for("p", MADE.issue("d1", more, FREE)).arguments[20:32]
    assert sent == (7, "limit", "b", 7, "answer b", "sample", "", "pace", "a", 0, "answer a", "")


def test_knowledge_and_ids_come_last() -> None:
    """Behind the offers: version, revision, freshness, what is said again, how many ids there are, and the ids."""
    sent = call_for("p", MADE.issue("d1", version=7, revision=2, freshness="exact")).arguments[26:]
    assert sent == (7, 2, "exact", "kept", 1, "d1")


def test_sample_comes_before_the_offers() -> None:
    """What makes a decision evidence is sent as proposal, agreement, side, share, and the epoch's bounds."""
    sample = t.Sample(exposed=True, share_ppm=100_000, epoch_decisions=50, epoch_ms=225_000)
    sent = call_for("p", MADE.issue("d1", proposal="b", agrees=True, sample=sample)).arguments[12:20]
    assert sent == ("b", 1, 1, 100_000, 50, 225_000, 1, 1)


def test_codes_are_distinct() -> None:
    """No two answers have one number, and none has 0."""
    assert [code.value for code in Code] == list(range(1, len(Code) + 1))


@pytest.mark.parametrize("name", [*NAMES, "_clock", "_decision", "_gate", "_ledger", "_view"])
def test_no_script_lets_a_key_expire_or_fails(name: str) -> None:
    """No script sets an expiry, uses a float command, calls error, or loops over arms."""
    assert not re.search(r"EXPIRE|'SETEX'|PERSIST|INCRBYFLOAT|\berror\s*\(|redis\.error_reply", body(name))
