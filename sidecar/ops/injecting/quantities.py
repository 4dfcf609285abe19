"""Quantities as Kubernetes writes them, as far as people write them for processors and memory."""

from __future__ import annotations

import re
from decimal import Decimal

_CPU = re.compile(r"(\d{1,6})(m?)|(\d{1,4}\.\d{1,3})")
_MEMORY = re.compile(r"(\d{1,15})(|k|M|G|Ki|Mi|Gi)")
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}

CPU, MEMORY = "such as 50m, 0.5 or 2", "such as 64Mi or 1G"


def quantity(kind: str, text: str) -> Decimal | None:
    """How much `text` is: cores of `cpu`, or bytes of `memory`; None if it is nothing, or no quantity.

    >>> quantity("cpu", "50m"), quantity("memory", "1Ki"), quantity("memory", "0"), quantity("memory", "1 GB")
    (Decimal('0.05'), Decimal('1024'), None, None)
    """
    if kind == "cpu":
        found = _CPU.fullmatch(text)
        amount = Decimal(found[1] or found[3]) / (1000 if found[2] else 1) if found else None
    else:
        found = _MEMORY.fullmatch(text)
        amount = Decimal(found[1]) * _BYTES[found[2]] if found else None
    return amount or None
