"""What a scenario is acted on: a sidecar, a peer in its place, or nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType

from msgspec import UNSET

from acting import certificates
from acting.peer import PeerServer
from acting.scenario import Scenario, Setting
from acting.sidecar import Sidecar, free_port
from sidecar.store.embedded import EmbeddedServer


@dataclass(frozen=True, slots=True)
class Stage:
    """Where one client acts one scenario."""

    address: str
    workspace: str
    """Used by nobody else."""
    certificates: Path
    sidecar: Sidecar | None = None
    peer: PeerServer | None = None

    def names(self) -> dict[str, object]:
        """What `$name` stands for before anything was kept."""
        files = {"ca": "ca.pem", "cert": "client.pem", "key": "client.key", "other_ca": "other_ca.pem"}
        tokens = self.sidecar.secrets if self.sidecar else {}
        return {
            "address": self.address,
            "workspace": self.workspace,
            "thousand": _arms(1_000),
            "thousand_and_one": _arms(1_001),
            **{name: str(self.certificates / file) for name, file in files.items()},
            **{f"{name}_token": secret for name, secret in tokens.items()},
        }


def _arms(count_: int) -> list[str]:
    return [f"arm-{number}" for number in range(1, count_ + 1)]


class Stages:
    """Sets the stages of a run.

    All sidecars share one store. A sidecar whose scenario does not break it is kept for the next scenario with the
    same setting, so act those one after another.
    """

    def __init__(self, directory: Path) -> None:
        """Use `directory`, whose path is short enough for sockets in it."""
        self._directory = directory
        self._numbers = count(1)
        self._closing = ExitStack()
        self._shared: tuple[Setting, Sidecar] | None = None

    def __enter__(self) -> Stages:
        """Start the store, and make certificates."""
        certificates.make(self._directory / "pki")
        self._store = self._closing.enter_context(EmbeddedServer(self._directory / "store"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End all that was started."""
        self._end_shared()
        self._closing.close()

    @contextmanager
    def set_for(self, scenario: Scenario, language: str) -> Iterator[Stage]:
        """Set the stage of one scenario for one client.

        Raises:
            ConformanceError: a sidecar does not come up.
        """
        workspace = f"{scenario.name}-{language}"
        pki = self._directory / "pki"
        if scenario.nobody:
            yield Stage(f"127.0.0.1:{free_port()}", workspace, pki)
        elif scenario.peer is not UNSET:
            with PeerServer(scenario.peer) as peer:
                yield Stage(peer.address, workspace, pki, peer=peer)
        elif scenario.faults:
            with self._breakable(scenario.setting) as sidecar:
                yield Stage(sidecar.address, workspace, pki, sidecar=sidecar)
        else:
            sidecar = self._sharing(scenario.setting)
            try:
                yield Stage(sidecar.address, workspace, pki, sidecar=sidecar)
            finally:
                sidecar.strike("thaw")

    @contextmanager
    def _breakable(self, setting: Setting) -> Iterator[Sidecar]:
        """A sidecar with a store of its own."""
        place = self._directory / str(next(self._numbers))
        with EmbeddedServer(place / "store") as store:
            sidecar = Sidecar(setting, place / "sidecar", self._directory / "pki", store)
            sidecar.start()
            try:
                yield sidecar
            finally:
                sidecar.stop()

    def _sharing(self, setting: Setting) -> Sidecar:
        if self._shared is None or self._shared[0] != setting:
            self._end_shared()
            sidecar = Sidecar(setting, self._directory / str(next(self._numbers)), self._directory / "pki", self._store)
            sidecar.start()
            self._shared = setting, sidecar
        return self._shared[1]

    def _end_shared(self) -> None:
        if self._shared is not None:
            self._shared[1].stop()
            self._shared = None
