"""Acts all that was asked for: every scenario by every language."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from acting.acting import PASSED, act
from acting.driver import Driver
from acting.errors import ConformanceError, NoLanguage
from acting.languages import Language
from acting.scenario import Scenario
from acting.sharing import sharing
from acting.stages import Stages

Verdicts = dict[str, dict[str, str]]
"""By language and scenario: `pass`, or `fail: ` and why."""
Tell = Callable[[str], None]


def silently(what: str) -> None:
    """Tell nobody."""
    del what


class Troupe:
    """The drivers of all languages; one that broke off is started again for the next scenario."""

    def __init__(self, languages: Mapping[str, Language], directory: Path) -> None:
        """Keep who there is; nothing is built yet."""
        self._languages = languages
        self._directory = directory
        self._drivers: dict[str, Driver] = {}
        self._numbers = count(1)
        self.absent: dict[str, str] = {}
        """Why a language cannot act at all."""

    def build(self, tell: Tell = silently) -> None:
        """Build every driver; a language that cannot be built is noted as absent."""
        for name, language in self._languages.items():
            tell(f"building {name}")
            made = self._directory / name
            made.mkdir()
            try:
                language.built(made)
            except NoLanguage as error:
                self.absent[name] = str(error)

    def driver(self, name: str) -> Driver:
        """Give the driver that acts for a language; raises DriverFailed."""
        running = self._drivers.get(name)
        if running is None or not running.alive:
            made = self._directory / name
            log = made / f"errors-{next(self._numbers)}.log"
            self._drivers[name] = self._languages[name].started(made, log)
        return self._drivers[name]

    def end(self) -> dict[str, str]:
        """End all drivers; say by language which did not end well."""
        ended = {name: driver.end() for name, driver in self._drivers.items() if driver.alive}
        return {name: wrong for name, wrong in ended.items() if wrong}

    def kill(self) -> None:
        """End those that are left, whatever happened."""
        for driver in self._drivers.values():
            driver.kill()


def verdicts(languages: Mapping[str, Language], scenarios: Sequence[Scenario], tell: Tell = silently) -> Verdicts:
    """Build, start, act and compare."""
    found: Verdicts = {name: {} for name in languages}
    with _short_directory() as directory, Stages(directory) as stages:
        made = directory / "drivers"
        made.mkdir()
        troupe = Troupe(languages, made)
        try:
            troupe.build(tell)
            for scenario in sharing(scenarios):
                for name in languages:
                    tell(f"{scenario.name}: {name}")
                    found[name][scenario.name] = _verdict(scenario, name, stages, troupe)
            for name, wrong in troupe.end().items():
                found[name]["the end"] = f"fail: {wrong}"
        finally:
            troupe.kill()
    return {name: dict(sorted(column.items())) for name, column in found.items()}


def _verdict(scenario: Scenario, language: str, stages: Stages, troupe: Troupe) -> str:
    if language in troupe.absent:
        return f"fail: {troupe.absent[language]}"
    try:
        with stages.set_for(scenario, language) as stage:
            return act(scenario, stage, troupe.driver(language))
    except ConformanceError as error:
        return f"fail: {error}"


def failures(found: Verdicts) -> list[tuple[str, str, str]]:
    """Everything that is not a pass: the language, the scenario, and why."""
    return [
        (language, scenario, verdict.removeprefix("fail: "))
        for language, column in found.items()
        for scenario, verdict in column.items()
        if verdict != PASSED
    ]


@contextlib.contextmanager
def _short_directory() -> Iterator[Path]:
    """Make a directory whose path leaves room for the names of sockets."""
    made = Path(tempfile.mkdtemp(prefix="lc-", dir="/tmp"))
    try:
        yield made
    finally:
        shutil.rmtree(made)
