"""The clients there are: how each one's driver is built and started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import yaml

from acting.driver import Driver
from acting.errors import BadScenario, NoLanguage

FILE = Path(__file__).parent.parent / "languages.yaml"
_BUILD_S = 900.0
_SHOWN = 600


class Language(msgspec.Struct, forbid_unknown_fields=True):
    """One column of the matrix. In commands `$python` is this Python, and `$made` a directory for what is built."""

    directory: str
    """Where the commands run, from the folder of this file of languages."""
    driver: list[str]
    """What starts the driver."""
    build: list[list[str]] = []
    """What is run before, in order."""

    def built(self, made: Path) -> None:
        """Build the driver.

        Raises:
            NoLanguage: a tool is missing or fails.
        """
        if not self._place.is_dir():
            raise NoLanguage(f"there is no {self.directory}")
        for command in self.build:
            self._run(self._filled(command, made))

    def started(self, made: Path, log: Path) -> Driver:
        """Start the driver; raises DriverFailed."""
        return Driver(self._filled(self.driver, made), self._place, log)

    @property
    def _place(self) -> Path:
        return (FILE.parent / self.directory).resolve()

    def _filled(self, command: list[str], made: Path) -> list[str]:
        return [part.replace("$python", sys.executable).replace("$made", str(made)) for part in command]

    def _run(self, command: list[str]) -> None:
        said = " ".join(command)
        try:
            done = subprocess.run(  # noqa: S603 - what languages.yaml says
                command, cwd=self._place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=_BUILD_S, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise NoLanguage(f"{command[0]} is not installed") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoLanguage(f"{said}: {error}") from None
        if done.returncode:
            output = done.stdout.decode(errors="replace").strip()[-_SHOWN:]
            raise NoLanguage(f"{said} ended with {done.returncode}: {output}")


def languages(file: Path = FILE) -> dict[str, Language]:
    """Read the list of languages.

    Raises:
        BadScenario: it is not what it should be.
    """
    try:
        return msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), dict[str, Language])
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadScenario(f"{file.name}: {error}") from None
