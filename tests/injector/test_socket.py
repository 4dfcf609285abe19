"""Goal: apps reach the sidecar whoever they run as. Method: the variables of an injected container, a real socket."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from sidecar.settings.service import unknown_variables
from tests.injector.patching import injected, sidecar_of
from tests.injector.pods import pod

VARIABLES = {one["name"]: one.get("value", "") for one in sidecar_of(injected(pod()))["env"]}


def test_the_sidecar_knows_every_variable_that_it_is_given() -> None:
    """None of them is a word of the injector's own."""
    assert unknown_variables(VARIABLES) == []


def test_every_user_may_connect(sidecars: Any, data_dir: Path) -> None:
    """Who sees the volume is the app, whichever user its image has."""
    mode = {"LEARNING_SOCKET_MODE": VARIABLES["LEARNING_SOCKET_MODE"]}
    sidecars(arguments=("--address", f"unix:{data_dir / 's'}"), environment=mode)
    assert stat.S_IMODE((data_dir / "s").stat().st_mode) == 0o666
