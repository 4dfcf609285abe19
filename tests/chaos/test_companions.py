"""Goal: each protection prevents the failure that it is for. Method: one small outage, with and without them.

Three of them are switched off together, for none of them touches the figure of another.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from .companions import CALLS, COMPANIONS, Figures, beside, figures

pytestmark = pytest.mark.timeout(300)

APART = ("spool", "lease", "breaker")


@pytest.fixture(scope="module")
def runs() -> tuple[Figures, Figures, Figures]:
    """Run with all protections, without three of them, and without the fourth."""

    async def run() -> tuple[Figures, Figures, Figures]:
        return await figures(()), await figures(APART), await figures(("degrading",))

    return asyncio.run(run())


def test_with_all_protections_an_app_notices_nothing(runs: tuple[Figures, Figures, Figures]) -> None:
    """Every report is taken and counts, every question is answered, and there is money for it."""
    whole, _, _ = runs
    assert (whole.refused_rewards, whole.uncounted_rewards, whole.app_errors) == (0, 0, 0)
    assert whole.paid_answers == CALLS


@pytest.mark.parametrize("name", COMPANIONS)
def test_without_one_there_is_a_failure(runs: tuple[Figures, Figures, Figures], name: str) -> None:
    """By a wide margin."""
    whole, without_three, without_degrading = runs
    found = beside(COMPANIONS[name], whole, without_three if name in APART else without_degrading)
    assert found["clear"], found


@pytest.mark.parametrize("name", COMPANIONS)
def test_no_difference_is_not_clear(name: str) -> None:
    """The same figures on both sides show nothing, and neither does a difference the wrong way round."""
    same = Figures(20, 20, 20, 20, 0.5, 100.0)
    one = COMPANIONS[name]
    other = replace(same, **{one.figure: getattr(same, one.figure) - one.least})
    assert not beside(one, same, same)["clear"]
    assert not beside(one, same, other)["clear"]
    assert beside(one, other, same)["clear"]
