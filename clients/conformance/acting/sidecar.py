"""Real sidecars as processes, with a real store, and what an operator can see of them and do to them."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import yaml

from acting.errors import ConformanceError
from acting.plain import plain
from acting.scenario import Fault, Setting
from sidecar.store.embedded import EmbeddedServer
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

_START_S = 30.0
_STOP_S = 30.0
_ASK_S = 10.0
_LISTENS = re.compile(r"listens on ([^\s\"]+)")
_OURS = ("LEARNING_", "ENABLE_RL_")
_OPERATOR = "operator"


class Sidecar:
    """One sidecar with one setting; it can be killed and started again at the same address."""

    def __init__(self, setting: Setting, directory: Path, certificates: Path, store: EmbeddedServer) -> None:
        """Prepare; nothing runs yet."""
        directory.mkdir()
        self._setting = setting
        self._directory = directory
        self._certificates = certificates
        self._store = store
        self._process: subprocess.Popen[bytes] | None = None
        self.secrets = {name: secrets.token_hex(16) for name in (*setting.tokens, _OPERATOR)}
        self.address = self._free_address()
        """Where clients find it."""

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            ConformanceError: it does not come up.
        """
        log = self._directory / "sidecar.log"
        listens = self.address.replace("localhost", "127.0.0.1")
        command = [sys.executable, "-m", "sidecar", "serve", "--address", listens, "--management-address", "off",
                   "--redis-url", self._store.url]  # fmt: skip
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, env=self._variables(), stdout=output, stderr=output)  # noqa: S603 - our own
        deadline = time.monotonic() + _START_S
        while not _LISTENS.search(log.read_text(encoding="utf-8")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ConformanceError(f"a sidecar did not come up: {log.read_text(encoding='utf-8')[-600:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as an operator would; nothing if it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def strike(self, fault: Fault) -> None:
        """Do to it, or to its store, what can happen to it."""
        if fault == "start":
            self.start()
        elif fault == "store_away":
            self._store.stop()
        elif fault == "store_back":
            self._store.start()
        else:
            assert self._process, f"{fault}: it does not run"
            self._process.send_signal(_SIGNALS[fault])
            if fault == "kill":
                self._process.wait()
                self._process = None

    def status(self, **where: str) -> dict[str, Any]:
        """What it says of a domain, and of its store: the domain's fields, and `store`.

        Raises:
            ConformanceError: it does not say.
        """
        metadata = (("authorization", f"Bearer {self.secrets[_OPERATOR]}"),)
        with ExitStack() as open_channel:
            channel = open_channel.enter_context(self._channel())
            stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
            try:
                answer = stub.Status(pb.StatusRequest(**where), timeout=_ASK_S, metadata=metadata)
            except grpc.RpcError as error:
                raise ConformanceError(f"the sidecar gives no status: {error.details()}") from None
        (domain,) = answer.domains
        return {**plain(domain), "store": plain(answer.store)}

    def _channel(self) -> grpc.Channel:
        if self._setting.tls == "none":
            return grpc.insecure_channel(self.address)
        ca, key, cert = (self._certificates / name for name in ("ca.pem", "client.key", "client.pem"))
        return grpc.secure_channel(
            self.address, grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), cert.read_bytes())
        )

    def _variables(self) -> dict[str, str]:
        """Its environment: only what is said here, and a store timeout that a busy machine does not exceed."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        variables |= {"LEARNING_STORE_TIMEOUT_MS": "10000", "LEARNING_SPOOL_DIR": str(self._directory / "spool")}
        if self._setting.domains:
            file = self._directory / "domains.yaml"
            file.write_text(yaml.safe_dump({"domains": self._setting.domains}), encoding="utf-8")
            variables["LEARNING_CONFIG"] = str(file)
        if self._setting.tls != "none":
            variables["LEARNING_TLS_CERTIFICATE"] = str(self._certificates / "server.pem")
            variables["LEARNING_TLS_KEY"] = str(self._certificates / "server.key")
        if self._setting.tls == "mutual":
            variables["LEARNING_TLS_CLIENT_AUTHORITY"] = str(self._certificates / "ca.pem")
        if self._setting.tokens:
            variables["LEARNING_TOKENS"] = str(self._tokens())
        return variables | self._setting.settings

    def _tokens(self) -> Path:
        rights = self._setting.tokens | {_OPERATOR: ["read"]}
        everywhere = {"tenants": ["*"], "workspaces": ["*"]}
        entries = [
            {"name": name, "sha256": sha256(self.secrets[name].encode()).hexdigest(), "rights": granted, **everywhere}
            for name, granted in rights.items()
        ]
        file = self._directory / "tokens.json"
        file.write_text(json.dumps({"tokens": entries}), encoding="utf-8")
        return file

    def _free_address(self) -> str:
        if self._setting.listens == "socket":
            return f"unix:{self._directory / 's'}"
        # Certificates are of names, so with TLS it is called by its name.
        return f"{'127.0.0.1' if self._setting.tls == 'none' else 'localhost'}:{free_port()}"


_SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}


def free_port() -> int:
    """Find a port on the loopback that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port
