"""Kill switches from the environment: `ENABLE_RL_GLOBAL` and one for each domain.

A domain learns unless its own switch or the global one is off. Off means: the first candidate, and not
a byte of state changes. Switches that are not set are on: learning starts in shadow, which is safe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from sidecar.errors import InvalidSettings

_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})
_SUFFIXES = {"route": "ROUTING"}
GLOBAL_FLAG = "ENABLE_RL_GLOBAL"


@lru_cache(maxsize=4096)
def flag_name(domain: str) -> str:
    """The variable that switches a domain: `ENABLE_RL_ROUTING` for `route`, else its name in capitals.

    >>> flag_name("tool_planning")
    'ENABLE_RL_TOOL_PLANNING'
    """
    return "ENABLE_RL_" + _SUFFIXES.get(domain, re.sub(r"[^A-Z0-9]", "_", domain.upper()))


class Flags:
    """The switches as the process was started with them.

    Args:
        environment: such as `os.environ`.

    Raises:
        InvalidSettings: a switch is neither on nor off.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read every switch at once."""
        self._switches = {
            name: _switch(name, value) for name, value in environment.items() if name.startswith("ENABLE_RL_")
        }

    def learning(self, domain: str) -> bool:
        """Whether a domain may learn."""
        return self._switches.get(GLOBAL_FLAG, True) and self._switches.get(flag_name(domain), True)


def _switch(name: str, value: str) -> bool:
    if value.strip().lower() in _ON:
        return True
    if value.strip().lower() in _OFF:
        return False
    raise InvalidSettings(name, value, "1, true, yes, on or 0, false, no, off")
