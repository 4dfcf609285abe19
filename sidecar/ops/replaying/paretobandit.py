"""The published data of ParetoBandit: real prompts, three models, judged rewards and dollar costs for each.

They stand in the wheel `paretobandit==0.1.1` (Apache-2.0), which is read as it is and never installed. It is looked
for among the installed packages, in the directory asked for and in the cache, and else downloaded to the cache, once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from sidecar.errors import InvalidInput, SidecarError
from sidecar.ops.replaying.log import Numbered, objects_of

PREFIX = "paretobandit:"
SPLITS = ("val", "test_holdout")
_PACKAGE, _VERSION = "paretobandit", "0.1.1"
_INSIDE = "pareto_bandit/data/examples/{}.jsonl"
_DOWNLOAD_S = 120.0


class DataUnavailable(SidecarError):
    """A published data set is neither here nor could it be downloaded."""

    reason = "DATA_UNAVAILABLE"


def prompts(split: str, data_dir: Path | None, environment: Mapping[str, str]) -> Iterator[Numbered]:
    """The rows of one split, converted: `cost` becomes `cost_usd`, and the source the segment.

    Args:
        split: `val` (1,785 prompts) or `test_holdout` (1,824).
        data_dir: may hold the wheel.
        environment: for the cache directory.

    Raises:
        InvalidInput: there is no such split, or a row is not of the known form.
        DataUnavailable: the wheel could not be had; says what to do.
    """
    if split not in SPLITS:
        raise InvalidInput("FILE", PREFIX + split, " or ".join(PREFIX + one for one in SPLITS))
    inside, name = _INSIDE.format(split), PREFIX + split
    installed = _installed(inside)
    if installed is not None:
        with installed.open("rb") as lines:
            yield from (_converted(*one) for one in objects_of(lines, name))
        return
    wheel = _wheel(data_dir, environment)
    try:
        with zipfile.ZipFile(wheel) as files, files.open(inside) as lines:
            yield from (_converted(*one) for one in objects_of(lines, name))
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise DataUnavailable(f"{wheel} does not hold {inside} ({error}); delete it to have it fetched anew") from error


def cache_dir(environment: Mapping[str, str]) -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME/learning-sidecar`, usually `~/.cache/learning-sidecar`."""
    home = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or tempfile.gettempdir()) / ".cache")
    return Path(home) / "learning-sidecar"


def _converted(where: str, values: Mapping[str, Any]) -> Numbered:
    try:
        arms = {
            name: {"reward": outcome["reward"], "cost_usd": outcome["cost"]} for name, outcome in values["arms"].items()
        }
    except (KeyError, AttributeError, TypeError) as error:
        raise InvalidInput(where, values, "arms, each with a reward and a cost") from error
    return where, {"arms": arms, "segment": values.get("source", "")}


def _installed(inside: str) -> Path | None:
    try:
        files = metadata.files(_PACKAGE) or ()
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.as_posix() == inside), None)


def _wheel(data_dir: Path | None, environment: Mapping[str, str]) -> Path:
    cache = cache_dir(environment)
    for directory in filter(None, (data_dir, cache)):
        for wheel in sorted(directory.glob(f"{_PACKAGE}-{_VERSION}-*.whl")):
            return wheel
    return _downloaded(cache)


def _downloaded(cache: Path) -> Path:
    wanted = f"{_PACKAGE}=={_VERSION}"
    print(f"downloading {wanted} to {cache}, once", file=sys.stderr)
    advice = f"install {wanted}, or put its wheel into a directory and give that as --data-dir"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as half:  # moved when it is whole: another run may be looking
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", half, wanted]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_S)  # noqa: S603 - our own arguments
            wheel = next(Path(half).glob("*.whl"))
            os.replace(wheel, cache / wheel.name)  # noqa: PTH105 - says that it replaces
            return cache / wheel.name
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines()
        raise DataUnavailable(
            f"pip could not download {wanted} ({said[-1] if said else 'no reason'}); {advice}"
        ) from error
    except (OSError, StopIteration, subprocess.TimeoutExpired) as error:
        raise DataUnavailable(f"{wanted} could not be downloaded ({error}); {advice}") from error
