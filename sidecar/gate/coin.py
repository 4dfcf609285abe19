"""The fresh coin: decides whether a disagreement executes the proposal or the baseline.

Nobody outside can know it beforehand, so nobody can choose the arm by choosing the decision's id; and the same
decision always gets the same side, so a retry changes nothing.
"""

from __future__ import annotations

from hashlib import blake2b

_BITS = 53
PPM = 1_000_000
"""Parts per million: shares are kept so, since the state holds integers only."""


def toss(salt: str, phase: int, decision_id: str, share_ppm: int) -> bool:
    """Whether this decision executes the proposal: the first 53 bits of BLAKE2b(salt | phase | id) are below q * 2^53.

    Args:
        salt: secret, new with every phase.
        phase: its number, so that one id in two phases has two coins.
        decision_id: of the decision.
        share_ppm: q in parts per million.

    Source: RFC 7693 for BLAKE2b, whose keyed form is a pseudo-random function: to anybody without the salt
    these are independent tosses.

    >>> sum(toss("secret", 3, f"decision-{n}", 100_000) for n in range(10_000))
    1011
    """
    digest = blake2b(f"{phase}|{decision_id}".encode(), key=salt.encode()[:64], digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) * PPM < share_ppm << _BITS
