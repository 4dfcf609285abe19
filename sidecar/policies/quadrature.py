"""The exact probability that each of K independent posteriors is the largest.

    p_a = integral of f_a(y) * product over j != a of F_j(y) dy

All K integrals share one grid. Its panels are cut where some density has dropped by a fixed depth
(`posteriors`), so inside a panel every density is nearly a polynomial, and 16 Gauss-Legendre nodes
resolve it. The F_j need no special function: they are running integrals of the f_j at the same nodes,
by the antiderivative of the interpolating polynomial inside a panel and a sum over panels.

         panel        panel    panel         Only the range that matters is covered: from the highest of
      |--.-.-.--|--.-.-.--|--.-.-.--|        the K lower ends (below it, the product of the F_j is 0) to
      low       e1        e2     high        the highest upper end. F = 1 - (integral from y to the end).

The probabilities sum to 1 up to the error of the quadrature, which makes |sum - 1| a free estimate of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sidecar.policies.posteriors import BetaPosteriors, StudentPosteriors

if TYPE_CHECKING:
    from sidecar.policies.posteriors import Floats

TOLERANCE = 1e-9
"""Largest |sum - 1| that is accepted before the grid is refined."""
REFINEMENTS_MAX = 4
"""How often the grid may be halved; the last one, 16 times finer than every cut, is used as it is."""

_POSITIVE_NODES = (
    0.09501250983763744, 0.2816035507792589, 0.45801677765722737, 0.6178762444026438,
    0.755404408355003, 0.8656312023878318, 0.9445750230732326, 0.9894009349916499,
)  # fmt: skip
"""Of the 16 zeros of the Legendre polynomial P_16, the 8 above 0 (Newton's method in 40 digits)."""
_TINY = 1e-100  # stands for a probability that rounding made 0 or less


class Posteriors(Protocol):
    """What the quadrature needs to know of K posteriors."""

    def edges(self) -> Floats:
        """Cuts of each density, ascending, shape (K, B)."""

    def density(self, y: Floats) -> Floats:
        """Densities at the points y, shape (K, N)."""


def best_of_betas(alpha: Sequence[float], beta: Sequence[float]) -> tuple[float, ...]:
    """Probability that each Beta(alpha_k, beta_k) is the largest; sums to 1. Shape (K,).

    >>> [round(p, 12) for p in best_of_betas([1.0, 2.0], [1.0, 1.0])]
    [0.333333333333, 0.666666666667]
    """
    return (1.0,) * len(alpha) if len(alpha) <= 1 else best_of(BetaPosteriors(alpha, beta))


def best_of_students(location: Sequence[float], scale: Sequence[float], dof: Sequence[float]) -> tuple[float, ...]:
    """Probability that each Student-t is the largest; sums to 1. Shape (K,).

    >>> [round(p, 4) for p in best_of_students([0.5, 0.6], [0.1, 0.1], [9.0, 9.0])]
    [0.2563, 0.7437]
    """
    return (1.0,) * len(location) if len(location) <= 1 else best_of(StudentPosteriors(location, scale, dof))


def best_of(posteriors: Posteriors) -> tuple[float, ...]:
    """Probability that each of K >= 2 posteriors is the largest, normalised. Shape (K,)."""
    edges = posteriors.edges()
    panels = _thinned(edges)
    masses = _masses(posteriors, panels)
    for attempt in range(REFINEMENTS_MAX + 1):
        if abs(masses.sum() - 1.0) <= TOLERANCE:
            break
        panels = _every(edges) if attempt == 0 else _halved(panels)
        masses = _masses(posteriors, panels)
    return tuple((masses / masses.sum()).tolist())


def _every(edges: Floats) -> Floats:
    """All cuts inside the range that matters, ascending, each once. Shape (P + 1,)."""
    low, high = edges[:, 0].max(), edges[:, -1].max()
    return _distinct(np.sort(edges[(edges >= low) & (edges <= high)]))


def _thinned(edges: Floats) -> Floats:
    """As few of the cuts as leave no panel with two cuts of the same density inside it.

    A hundred similar densities have their cuts in nearly the same places; this keeps about one in a
    hundred of them, and still all those of a density that is far narrower than the others.
    """
    low, high = edges[:, 0].max(), edges[:, -1].max()
    cuts = edges.ravel()
    order = np.argsort(cuts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(cuts))
    following = np.full(edges.shape, len(cuts) - 1)
    following[:, :-1] = place.reshape(edges.shape)[:, 1:]
    # reach[i]: how far a panel may stretch whose first inner cut is i.
    reach = np.minimum.accumulate(following.ravel()[order][::-1])[::-1].tolist()
    cuts = cuts[order]
    at, last = int(np.searchsorted(cuts, low, "right")) - 1, int(np.searchsorted(cuts, high))
    kept = [at]
    while at < last:
        at = max(at + 1, min(reach[at], last))
        kept.append(at)
    return _distinct(cuts[kept])


def _distinct(ascending: Floats) -> Floats:
    """Each value once (numpy.unique would bring masked arrays along, 1.5 MB)."""
    result: Floats = ascending[np.append(True, ascending[1:] != ascending[:-1])]
    return result


def _halved(panels: Floats) -> Floats:
    middles = 0.5 * (panels[1:] + panels[:-1])
    return np.sort(np.concatenate([panels, middles]))


def _masses(posteriors: Posteriors, panels: Floats) -> Floats:
    """The K integrals on the given panels. Shape (K,)."""
    half = 0.5 * np.diff(panels)[:, None]
    y = 0.5 * (panels[1:] + panels[:-1])[:, None] + half * _NODES
    f = posteriors.density(y.ravel()).reshape(-1, *y.shape) * half
    per_panel = f @ _WEIGHTS
    later = per_panel[:, ::-1].cumsum(axis=1)[:, ::-1] - per_panel
    cdf = np.maximum(1.0 - (f @ _TO_THE_RIGHT + later[:, :, None]), _TINY)
    all_below = cdf.prod(axis=0)
    result: Floats = (f / cdf).reshape(len(f), -1) @ (all_below * _WEIGHTS).ravel()
    return result


def _legendre(nodes: Floats) -> Floats:
    """P_0 to P_N at N nodes, by Bonnet's recursion. Shape (N, N + 1)."""
    values = [np.ones_like(nodes), nodes]
    for n in range(1, len(nodes)):
        values.append(((2 * n + 1) * nodes * values[n] - n * values[n - 1]) / (n + 1))
    return np.stack(values, axis=1)


def _gauss_legendre(half: Sequence[float]) -> tuple[Floats, Floats]:
    """Nodes and weights on [-1, 1], from the positive nodes (numpy.polynomial would cost 2 MB for them)."""
    nodes = np.array([-x for x in half[::-1]] + list(half))
    below = _legendre(nodes)[:, -2]  # P_(N-1)
    weights: Floats = 2.0 * (1.0 - nodes * nodes) / (len(nodes) * below) ** 2
    return nodes, weights


def _to_the_right(nodes: Floats, weights: Floats) -> Floats:
    """Matrix from values at the nodes of [-1, 1] to the integrals from each node to 1 of their interpolant."""
    degrees = np.arange(len(nodes))
    at_nodes = _legendre(nodes)
    to_coefficients = (at_nodes[:, :-1] * weights[:, None]) * (degrees + 0.5)
    # The integral of P_k from x to 1 is (P_(k-1)(x) - P_(k+1)(x)) / (2 k + 1), and 1 - x for k = 0.
    tails = np.empty((len(nodes), len(nodes)))
    tails[:, 0] = 1.0 - nodes
    tails[:, 1:] = (at_nodes[:, :-2] - at_nodes[:, 2:]) / (2.0 * degrees[1:] + 1.0)
    return to_coefficients @ tails.T


_NODES, _WEIGHTS = _gauss_legendre(_POSITIVE_NODES)
_TO_THE_RIGHT = _to_the_right(_NODES, _WEIGHTS)
