"""Placeholder until written."""
from typing import Any
def add_parser(c: Any) -> None:
    return None
