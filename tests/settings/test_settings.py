"""Goal: what is declared is what is in force, and mistakes are named. Method: files and environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.errors import InvalidSettings
from sidecar.model.mode import Mode
from sidecar.settings.file import Configuration, Document, lay_over, read_configuration
from sidecar.settings.flags import Flags, flag_name
from sidecar.settings.service import ServiceSettings, read_service_settings, unknown_variables

YAML = """
defaults: {budget: {limit_usd: 5, window: day}, posterior_refresh_ms: 10}
domains:
  route: {mode: ungated, budget: {limit_usd: 7}, policy: {name: ucb1, parameters: {exploration: 0.5}}}
workspaces:
  acme/chat: {budget: {limit_usd: 1}}
  "*": {budget: {limit_usd: 2, window: month}}
"""
TOML = """
[defaults]
posterior_refresh_ms = 10
budget = {limit_usd = 5, window = "day"}
[domains.route]
mode = "ungated"
budget = {limit_usd = 7}
policy = {name = "ucb1", parameters = {exploration = 0.5}}
[workspaces]
"acme/chat" = {budget = {limit_usd = 1}}
"*" = {budget = {limit_usd = 2, window = "month"}}
"""


@pytest.fixture(params=[("c.yaml", YAML), ("c.toml", TOML)], ids=["yaml", "toml"])
def configuration(request: pytest.FixtureRequest, tmp_path: Path) -> Configuration:
    """The same configuration, written in either language."""
    name, text = request.param
    file = tmp_path / name
    file.write_text(text)
    return read_configuration(file)


def test_a_domain_lies_over_the_defaults(configuration: Configuration) -> None:
    """Key by key; a domain that is not declared has the defaults."""
    route, other = configuration.domain("route"), configuration.domain("other")

    assert (route.mode, route.budget.limit_usd, route.budget.window) == (Mode.UNGATED, 7, "day")
    assert (other.mode, other.budget.limit_usd, other.posterior_refresh_ms) == (Mode.GATED, 5, 10)


def test_workspaces_have_budgets(configuration: Configuration) -> None:
    """Its own, or that of every other one."""
    assert configuration.workspace_budget("acme", "chat").limit_usd == 1
    assert configuration.workspace_budget("acme", "mail").window == "month"


def test_settings_laid_over_at_run_time(configuration: Configuration) -> None:
    """A policy replaces the whole policy, so that parameters of another cannot linger."""
    laid = configuration.domain_with("route", {"policy": {"name": "thompson"}})

    assert (laid.policy.name, laid.policy.parameters) == ("thompson", {})
    assert laid.budget.limit_usd == 7


@pytest.mark.parametrize(
    ("domain", "key"),
    [
        ({"mode": "fast"}, "domains.d.mode"),
        ({"mode": "canary"}, "domains.d.mode"),
        ({"mode": "live"}, "domains.d.mode"),
        ({"gate": {"share": 0}}, "domains.d.gate.share"),
        ({"gate": {"holdback": 0.6}}, "domains.d.gate.holdback"),
        ({"gate": {"missing": "best"}}, "domains.d.gate.missing"),
        ({"gate": {"safety_margin": 0}}, "domains.d.gate.safety_margin"),
        ({"gate": {"beta": 0.1}}, "domains.d.gate"),
        ({"budget": {"limit_usd": -1}}, "domains.d.budget.limit_usd"),
        ({"budget": {"limit_usd": 9_000_001}}, "domains.d.budget.limit_usd"),
        ({"budget": {"window": "week"}}, "domains.d.budget.window"),
        ({"reward": {"signals": {"quality": {"low": 1, "high": 1}}}}, "domains.d.reward.signals.quality.high"),
        ({"reward": {"signals": {"quality": {"weight": 0}}}}, "domains.d.reward.signals"),
        ({"reward": {"missing_reward": 1.5}}, "domains.d.reward.missing_reward"),
        ({"latency": {"quantile": 1}}, "domains.d.latency.quantile"),
        ({"arms": {"": {}}}, "domains.d.arms."),
        ({"modus": "shadow"}, "domains.d"),
    ],
)
def test_a_bad_value_is_named_by_its_key(domain: dict[str, object], key: str) -> None:
    """The full path, as one would write it."""
    with pytest.raises(InvalidSettings) as caught:
        Configuration(Document(domains={"d": domain}))
    assert caught.value.field == key


def test_lay_over_leaves_both_alone() -> None:
    """Settings are shared between domains."""
    below, above = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert lay_over(below, above) == {"a": {"b": 1, "c": 2}}
    assert (below, above) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_variables_are_typed() -> None:
    """Strings from the environment become numbers."""
    settings = read_service_settings({"LEARNING_STORE_TIMEOUT_MS": "25.5", "LEARNING_IN_FLIGHT_MAX": "7", "HOME": "/"})

    assert (settings.store_timeout_ms, settings.in_flight_max) == (25.5, 7)
    assert settings.address == ServiceSettings().address


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LEARNING_ADDRESS", "0.0.0.0:50051"),
        ("LEARNING_ADDRESS", "unix:relative"),
        ("LEARNING_IN_FLIGHT_MAX", "0"),
        ("LEARNING_STORE_TIMEOUT_MS", "soon"),
        ("LEARNING_LOG_LEVEL", "loud"),
        ("LEARNING_KEY_PREFIX", "a{b}"),
        ("LEARNING_REDIS_URL", "http://somewhere"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str) -> None:
    """As it is written in the environment."""
    with pytest.raises(InvalidSettings) as caught:
        read_service_settings({variable: value})
    assert caught.value.field == variable


def test_a_password_is_not_in_the_error() -> None:
    """A URL that is refused is shown without what may be secret."""
    with pytest.raises(InvalidSettings) as caught:
        read_service_settings({"LEARNING_REDIS_URL": "http://user:secret@somewhere"})
    assert "secret" not in str(caught.value)


def test_unknown_variables_are_found() -> None:
    """Perhaps a typo, perhaps Kubernetes."""
    assert unknown_variables({"LEARNING_ADRESS": "x", "LEARNING_ADDRESS": "y"}) == ["LEARNING_ADRESS"]


@pytest.mark.parametrize(
    ("environment", "learning"),
    [
        ({}, True),
        ({"ENABLE_RL_GLOBAL": "1"}, True),
        ({"ENABLE_RL_GLOBAL": "0"}, False),
        ({"ENABLE_RL_GLOBAL": "1", "ENABLE_RL_ROUTING": "off"}, False),
        ({"ENABLE_RL_GLOBAL": "no", "ENABLE_RL_ROUTING": "1"}, False),
        ({"ENABLE_RL_PROMPT": "0"}, True),
    ],
)
def test_flags(environment: dict[str, str], learning: bool) -> None:
    """Either switch takes a domain out; another domain's does not."""
    assert Flags(environment).learning("route") is learning


def test_a_flag_is_on_or_off() -> None:
    """Anything else is a mistake, not a guess."""
    with pytest.raises(InvalidSettings, match="ENABLE_RL_GLOBAL"):
        Flags({"ENABLE_RL_GLOBAL": "maybe"})
    assert flag_name("my-domain") == "ENABLE_RL_MY_DOMAIN"
