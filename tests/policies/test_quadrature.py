"""The exact probabilities of being best, against closed forms, against scipy, and over wide parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats

from sidecar.policies import quadrature
from sidecar.policies.posteriors import BetaPosteriors, StudentPosteriors
from sidecar.policies.quadrature import REFINEMENTS_MAX, TOLERANCE, best_of, best_of_betas, best_of_students

Floats = NDArray[np.float64]

# From a prior of 0.001 to a trillion observations, evenly in the exponent.
beta_parameter = st.floats(-3.0, 12.0).map(lambda exponent: 10.0**exponent)
betas = st.lists(st.tuples(beta_parameter, beta_parameter), min_size=2, max_size=12)
scale = st.floats(-6.0, 1.0).map(lambda exponent: 10.0**exponent)
dof = st.floats(math.log10(2.0), 9.0).map(lambda exponent: max(2.0, 10.0**exponent))
students = st.lists(st.tuples(st.floats(0.0, 1.0), scale, dof), min_size=2, max_size=12)


def log_beta(a: float, b: float) -> float:
    """Logarithm of the beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def second_is_larger(a1: int, b1: int, a2: int, b2: int) -> float:
    """P(Beta(a2, b2) > Beta(a1, b1)) for integers, a finite sum."""
    terms = (log_beta(a1 + i, b1 + b2) - math.log(b2 + i) - log_beta(1 + i, b2) - log_beta(a1, b1) for i in range(a2))
    return math.fsum(math.exp(term) for term in terms)


def scipy_betas(alpha: Floats, beta: Floats) -> Floats:
    """The same integrals by the trapezoidal rule on 200,000 points, with scipy's incomplete beta function."""
    y, step = np.linspace(-60.0, 60.0, 200_001, retstep=True)
    a, b = alpha[:, None], beta[:, None]
    pdf = np.exp(a * special.log_expit(y) + b * special.log_expit(-y) - special.betaln(a, b))
    cdf = special.betainc(a, b, special.expit(y))
    return np.array([(pdf[k] * np.delete(cdf, k, axis=0).prod(axis=0)).sum() * step for k in range(len(alpha))])


def scipy_students(location: Floats, scales: Floats, dofs: Floats) -> Floats:
    """The same integrals with scipy's Student-t, each in an own coordinate: y = location + scale * sinh(u)."""
    u, step = np.linspace(-25.0, 25.0, 200_001, retstep=True)
    found = []
    for k in range(len(location)):
        y = location[k] + scales[k] * np.sinh(u)
        others = [special.stdtr(dofs[j], (y - location[j]) / scales[j]) for j in range(len(location)) if j != k]
        found.append((stats.t.pdf(np.sinh(u), dofs[k]) * np.cosh(u) * np.prod(others, axis=0)).sum() * step)
    return np.array(found)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1, 1), (2, 1), 2 / 3),
        ((8, 4), (6, 6), 0.193498452012),
        ((81, 41), (61, 61), 0.004487657719),
        ((601, 401), (631, 371), 0.915882509584),
    ],
)
def test_two_betas_published_digits(first: tuple[int, int], second: tuple[int, int], expected: float) -> None:
    """Two Beta posteriors give the known probabilities, to all twelve known digits."""
    _, p = best_of_betas([first[0], second[0]], [first[1], second[1]])

    assert pytest.approx(expected, abs=1.5e-12) == p


@given(*[st.integers(1, 60)] * 4)
def test_two_betas_closed_form(a1: int, b1: int, a2: int, b2: int) -> None:
    """Two Beta posteriors with integer parameters match the finite sum to 1e-12."""
    _, p = best_of_betas([a1, a2], [b1, b2])

    assert pytest.approx(second_is_larger(a1, b1, a2, b2), abs=1e-12) == p


@pytest.mark.parametrize("n", [10**3, 10**6, 10**9, 10**12])
def test_equal_betas_share_alike(n: int) -> None:
    """Equal posteriors are best with equal probability, from a thousand observations to a trillion."""
    assert pytest.approx((0.25,) * 4, abs=1e-10) == best_of_betas([0.3 * n] * 4, [0.7 * n] * 4)


def test_a_vague_and_a_certain_beta() -> None:
    """P(Beta(7000, 3000) is the larger) against a uniform one is its mean, 0.7, exactly."""
    assert pytest.approx((0.3, 0.7), abs=1e-13) == best_of_betas([1.0, 7000.0], [1.0, 3000.0])


@pytest.mark.parametrize("parameter", [0.5, 0.1, 0.01, 0.001])
def test_a_uniform_against_a_two_horned_beta(parameter: float) -> None:
    """Parameters far below 1 put all mass at the ends, and symmetry still gives one half."""
    assert pytest.approx((0.5, 0.5), abs=1e-12) == best_of_betas([1.0, parameter], [1.0, parameter])


@given(st.lists(st.tuples(st.floats(0.7, 300.0), st.floats(0.7, 300.0)), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
def test_betas_match_scipy(parameters: list[tuple[float, float]]) -> None:
    """Probabilities match those computed with scipy's incomplete beta function to 1e-11."""
    alpha, beta = zip(*parameters, strict=True)

    assert pytest.approx(scipy_betas(np.array(alpha), np.array(beta)), abs=1e-11) == best_of_betas(alpha, beta)


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.01, 1.0), st.floats(2.0, 500.0)), min_size=2, max_size=5))
@settings(max_examples=25, deadline=None)
def test_students_match_scipy(parameters: list[tuple[float, float, float]]) -> None:
    """Probabilities match those computed with scipy's Student-t to 1e-10."""
    location, scales, dofs = zip(*parameters, strict=True)
    expected = scipy_students(np.array(location), np.array(scales), np.array(dofs))

    assert pytest.approx(expected, abs=1e-10) == best_of_students(location, scales, dofs)


def test_two_students_with_many_degrees_are_normal() -> None:
    """With a billion degrees of freedom, P(second is larger) is Phi of the standardised difference."""
    _, p = best_of_students([0.5, 0.53], [0.03, 0.04], [1e9, 1e9])

    assert pytest.approx(special.ndtr(0.03 / 0.05), abs=1e-9) == p


@given(betas)
@settings(deadline=None)
def test_betas_sum_to_one_before_normalising(parameters: list[tuple[float, float]]) -> None:
    """The grid that is used for Beta posteriors has an error below the tolerance, over 15 decades."""
    posteriors = BetaPosteriors(*zip(*parameters, strict=True))

    assert error_of_the_first_accepted_grid(posteriors) <= TOLERANCE


@given(students)
@settings(deadline=None)
def test_students_sum_to_one_before_normalising(parameters: list[tuple[float, float, float]]) -> None:
    """The grid that is used for Student-t posteriors has an error below the tolerance, over 7 decades."""
    posteriors = StudentPosteriors(*zip(*parameters, strict=True))

    assert error_of_the_first_accepted_grid(posteriors) <= TOLERANCE


def error_of_the_first_accepted_grid(posteriors: quadrature.Posteriors) -> float:
    """The |sum - 1| of the coarsest grid that is good enough, else of the finest."""
    edges = posteriors.edges()
    grids = [quadrature._thinned(edges), quadrature._every(edges)]
    for _ in range(REFINEMENTS_MAX - 1):
        grids.append(quadrature._halved(grids[-1]))
    errors = (abs(float(quadrature._masses(posteriors, grid).sum()) - 1.0) for grid in grids)
    return next((error for error in errors if error <= TOLERANCE), math.inf)


@given(betas)
@settings(deadline=None)
def test_the_thinned_grid_agrees_with_a_finer_one(parameters: list[tuple[float, float]]) -> None:
    """Leaving out cuts costs less than 1e-9 in any probability, not only in their sum."""
    posteriors = BetaPosteriors(*zip(*parameters, strict=True))
    fine = quadrature._masses(posteriors, quadrature._halved(quadrature._every(posteriors.edges())))

    assert pytest.approx(fine, abs=1e-9) == best_of(posteriors)


@given(students)
@settings(deadline=None)
def test_the_thinned_grid_agrees_with_a_finer_one_for_students(parameters: list[tuple[float, float, float]]) -> None:
    """Leaving out cuts costs less than 1e-9 in any probability, with heavy tails too."""
    posteriors = StudentPosteriors(*zip(*parameters, strict=True))
    fine = quadrature._masses(posteriors, quadrature._halved(quadrature._every(posteriors.edges())))

    assert pytest.approx(fine, abs=1e-9) == best_of(posteriors)


@given(betas)
@settings(deadline=None)
def test_the_order_of_the_arms_does_not_matter(parameters: list[tuple[float, float]]) -> None:
    """Reversed candidates get the reversed probabilities, and these are probabilities."""
    alpha, beta = zip(*parameters, strict=True)
    p = best_of_betas(alpha, beta)

    assert pytest.approx(p[::-1], abs=1e-9) == best_of_betas(alpha[::-1], beta[::-1])
    assert pytest.approx(1.0, abs=1e-14) == math.fsum(p)
    assert min(p) >= 0.0


@pytest.mark.parametrize("count", [2, 10, 100])
def test_exchangeable_arms_are_alike(count: int) -> None:
    """K arms without data are each best with probability 1/K, also when there are a hundred."""
    assert [1 / count] * count == pytest.approx(best_of_betas([1.0] * count, [1.0] * count), abs=1e-13)
    assert [1 / count] * count == pytest.approx(
        best_of_students([0.5] * count, [1.0] * count, [2.0] * count), abs=1e-13
    )


def test_a_narrow_arm_among_many_vague_ones_is_not_overlooked() -> None:
    """Of 99 uniform arms and a certain one at .99, the certain one is best with probability .99**99."""
    p = best_of_betas([1.0] * 99 + [9.9e9], [1.0] * 99 + [1e8])

    assert pytest.approx(0.99**99, rel=1e-6) == p[-1]


def test_one_arm_and_none() -> None:
    """A single arm is best for sure, and of no arms none is."""
    assert best_of_betas([3.0], [4.0]) == (1.0,)
    assert best_of_students([], [], []) == ()


def test_a_hopeless_arm_keeps_a_probability() -> None:
    """A probability far below rounding is neither negative nor an error."""
    p = best_of_betas([1e6, 9e6], [9e6, 1e6])

    assert pytest.approx((0.0, 1.0), abs=1e-15) == p
    assert p[0] >= 0.0
