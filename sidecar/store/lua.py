"""Reads the Lua files: puts included parts in place and gives the codes their names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sidecar.store.codes import Code

_INCLUDE = re.compile(r"^-- @include (\S+)$", re.MULTILINE)
_SHEBANG = re.compile(r"\A#!lua[^\n]*\n")


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it is sent: name, source and the SHA-1 by which the server knows it."""

    name: str
    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script of that name, such as `recommend`."""
    text = _text(f"{name}.lua")
    shebang = _SHEBANG.match(text)
    head = shebang.group() if shebang else ""
    used = [code for code in Code if re.search(rf"\b{code.name}\b", text)]
    names = "".join(f"local {code.name} = {code.value}\n" for code in used)
    body = _INCLUDE.sub(lambda found: _text(found.group(1)), text[len(head) :])
    source = head + names + body
    return Script(name, source, hashlib.sha1(source.encode()).hexdigest())  # noqa: S324 - Redis names scripts so


def script_names() -> list[str]:
    """Every script that may be run, by name."""
    return sorted(
        path.name.removesuffix(".lua")
        for path in files("sidecar.store.scripts").iterdir()
        if path.name.endswith(".lua") and not path.name.startswith("_")
    )


def _text(file: str) -> str:
    return files("sidecar.store.scripts").joinpath(file).read_text(encoding="utf-8")
