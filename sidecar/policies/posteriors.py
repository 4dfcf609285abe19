"""Families of independent posteriors, in the coordinate in which the quadrature integrates them.

Each family offers two things about its K members, all at once:

    `edges()`      points of ever deeper density on both sides of each mode, shape (K, B), ascending;
                   beyond the outermost ones lies no mass that a double could tell from none
    `density(y)`   the densities at the points y, shape (K, N)

Both are written as exp(log peak - drop), where the drop from the peak is built from terms of its own
size. Differences of log-gammas of a million observations would already cost seven digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray  # half a megabyte

    Floats = NDArray[np.float64]

# Depths (in nats below the peak) at which a density is cut into panels: in between it is nearly a polynomial.
_DEPTHS = np.array([0.5, 2.0, 5.0, 10.0, 20.0, 40.0])
# The polynomial tails of a Student-t with few degrees of freedom stretch over decades: more cuts.
_HEAVY_DEPTHS = np.concatenate([[0.5], np.arange(2.0, 46.0, 2.0)])
_HEAVY_DOF = 40.0

# Where a parameter is far below 1, the log density of the logit is two straight lines with a bend of width 1
# between them, which is narrow against the distances to the depths above: cuts around the bend.
_BEND_BELOW = 0.5
_AROUND_BEND = np.array([-36.0, -20.0, -10.0, -5.0, -2.0, 0.0, 2.0, 5.0, 10.0, 20.0, 36.0])

_HALF_LN_2PI = 0.5 * math.log(2.0 * math.pi)
_STIRLING_FROM = 16.0
_EXP_MAX = 700.0  # e**709 is the largest double


class BetaPosteriors:
    """Beta(alpha_k, beta_k) of the logit y = ln(x / (1 - x)).

    There the density is log-concave with exponential tails for every alpha, beta > 0, although that of
    x itself has infinite ends below 1. With c = min(alpha, beta), n = alpha + beta, and v the distance
    from the mode ln(alpha / beta), counted towards the steeper side:

        drop(v) = n ln(1 + (c/n) (e^v - 1)) - c v
    """

    def __init__(self, alpha: Sequence[float], beta: Sequence[float]) -> None:
        """Take the K parameters, each from 1e-3 to 1e12."""
        a, b = np.asarray(alpha, dtype=float)[:, None], np.asarray(beta, dtype=float)[:, None]
        self._total = a + b
        self._lesser = np.minimum(a, b)
        self._share = self._lesser / self._total
        self._towards = np.where(a <= b, 1.0, -1.0)
        self._mode = np.log(a / b)
        remainders = [
            _stirling_remainder(p + q) - _stirling_remainder(p) - _stirling_remainder(q)
            for p, q in zip(alpha, beta, strict=True)
        ]
        self._log_peak = 0.5 * np.log(a * b / self._total) - _HALF_LN_2PI + np.array(remainders)[:, None]

    def density(self, y: Floats) -> Floats:
        """Densities of the logit at y, shape (K, N)."""
        drop, _ = self._drop(self._towards * (y - self._mode))
        result: Floats = np.exp(self._log_peak - drop)
        return result

    def edges(self) -> Floats:
        """Where the density has dropped by each depth, shape (K, 2 * depths)."""
        depths = np.concatenate([_DEPTHS[::-1], _DEPTHS])
        sides = np.repeat([-1.0, 1.0], len(_DEPTHS))
        v = sides * np.sqrt(2.0 * depths / (self._lesser * (1.0 - self._share)))
        for _ in range(2):  # cuts need not be exact
            # Newton's method for ln(drop) as a function of ln|v|: a straight line for a parabola and for a tail.
            drop, slope = self._drop(v)
            v *= (depths / drop) ** (drop / (v * slope))
        if self._lesser.min() < _BEND_BELOW:
            v = np.concatenate([v, self._bends()], axis=1)
        return np.sort(self._mode + self._towards * v, axis=1)

    def _bends(self) -> Floats:
        bend = np.log(np.minimum(self._total, 1.0) / self._lesser)
        return np.where(self._lesser < _BEND_BELOW, bend + _AROUND_BEND, 0.0)

    def _drop(self, v: Floats) -> tuple[Floats, Floats]:
        capped = np.minimum(v, _EXP_MAX)
        rise = np.expm1(capped)
        drop = self._total * (np.log1p(self._share * rise) + (v - capped)) - self._lesser * v
        return drop, self._lesser * (1.0 - self._share) * (rise / (1.0 + self._share * rise))


class StudentPosteriors:
    """Student-t with location m_k, scale s_k and nu_k degrees of freedom; with z = (y - m) / s.

    drop(z) = (nu + 1) / 2 * ln(1 + z**2 / nu)
    """

    def __init__(self, location: Sequence[float], scale: Sequence[float], dof: Sequence[float]) -> None:
        """Take the K parameters: scales above 0, degrees of freedom from 2 up."""
        self._location, self._scale, self._dof = (np.asarray(p, dtype=float)[:, None] for p in (location, scale, dof))
        half = 0.5 * self._dof
        remainders = [_stirling_remainder(0.5 * nu + 0.5) - _stirling_remainder(0.5 * nu) for nu in dof]
        # ln Gamma(h + 1/2) - ln Gamma(h) - ln(h) / 2, without the digits that the two would lose.
        gammas = half * np.log1p(0.5 / half) - 0.5 + np.array(remainders)[:, None]
        self._log_peak = gammas - _HALF_LN_2PI - np.log(self._scale)

    def density(self, y: Floats) -> Floats:
        """Densities at y, shape (K, N)."""
        z = (y - self._location) / self._scale
        drop = 0.5 * (self._dof + 1.0) * np.log1p(z * z / self._dof)
        result: Floats = np.exp(self._log_peak - drop)
        return result

    def edges(self) -> Floats:
        """Where the density has dropped by each depth, shape (K, 2 * depths)."""
        depths = _HEAVY_DEPTHS if self._dof.min() < _HEAVY_DOF else _DEPTHS
        z = np.sqrt(self._dof * np.expm1(2.0 * depths / (self._dof + 1.0)))
        return np.concatenate([self._location - (self._scale * z)[:, ::-1], self._location + self._scale * z], axis=1)


def _stirling_remainder(z: float) -> float:
    """What Stirling's formula (z - 1/2) ln z - z + ln(2 pi) / 2 lacks of ln Gamma(z): about 1 / (12 z)."""
    if z < _STIRLING_FROM:
        return math.lgamma(z) - (z - 0.5) * math.log(z) + z - _HALF_LN_2PI
    w = 1.0 / (z * z)
    return (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w * (1 / 1188 - w * 691 / 360360))))) / z
