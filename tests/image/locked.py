"""Reads the files that say what the image is made of."""

from __future__ import annotations

from packaging.requirements import Requirement

from .engine import ROOT

DIRECTORY = ROOT / "deploy" / "image"


def requirements(name: str) -> list[Requirement]:
    """What a file names, hashes left out."""
    text = (DIRECTORY / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.partition("--hash")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def locked(name: str, python: str) -> dict[str, str]:
    """The version of each package that a file names for a Python, such as 3.12.0."""
    return {
        one.name.lower().replace("_", "-"): str(one.specifier).removeprefix("==")
        for one in requirements(name)
        if one.marker is None or one.marker.evaluate({"python_full_version": python})
    }
