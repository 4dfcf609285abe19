"""Goal: no secret is ever shown. Method: a sidecar that has many, at level debug, from which everything is provoked."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
import pytest
from redis import Redis

from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.store.servers import certificates, valkey

from .callers import CODE, REQUESTS, bearer, entry, outcome, written

WAIT_S = 30.0
PASTED = f"pasted-{secrets.token_urlsafe(24)}"


class Subject(NamedTuple):
    """A sidecar, what it keeps to itself, and what it reads."""

    one: Any
    management: str
    secret: str
    password: str
    hidden: list[str]
    tokens: Path
    token_entry: dict[str, Any]
    certificate: Path
    tls: bool
    store: ExitStack
    redis: Any


def parts_of(key: str) -> list[str]:
    """The lines of a private key that say something."""
    return [line for line in key.splitlines() if line and not line.startswith("---")]


def spellings(hidden: Sequence[str]) -> list[str]:
    """The secrets, as they are and as they might be quoted."""
    return sorted({form for one in hidden for form in (one, quote(one, safe=""), repr(one)[1:-1])})


@pytest.fixture
async def subject(
    sidecars: Callable[..., Any], tmp_path: Path, data_dir: Path, transport: str
) -> AsyncIterator[Subject]:
    """Start a sidecar with a password, tokens and, where the transport can, a certificate."""
    password, secret = f"pw:/@%{secrets.token_urlsafe(16)}", secrets.token_urlsafe(32)
    certificates(tmp_path / "pki")
    key = (tmp_path / "pki" / "localhost.key").read_text()
    mounted = tmp_path / "mounted"
    mounted.write_text(in_file := secrets.token_urlsafe(32))
    from_file = entry("mounted", "") | {"sha256": "", "token_file": str(mounted)}
    own = entry("own", secret)
    tokens = written(tmp_path / "tokens.json", own, from_file)
    with ExitStack() as store:
        path = store.enter_context(valkey(data_dir, "--requirepass", password))
        redis = store.enter_context(Redis(unix_socket_path=str(path), password=password))
        environment = {
            "LEARNING_REDIS_URL": f"unix://:{quote(password, safe='')}@{path}",
            "LEARNING_TOKENS": str(tokens),
            "LEARNING_LOG_LEVEL": "debug",
        }
        if transport == "grpcio":
            environment["LEARNING_TLS_CERTIFICATE"] = str(tmp_path / "pki" / "localhost.pem")
            environment["LEARNING_TLS_KEY"] = str(tmp_path / "pki" / "localhost.key")
        one = sidecars(
            environment=environment, redis_url=None, arguments=("--management-address", "127.0.0.1:0"),
        )  # fmt: skip
        found = re.search(r"management on (\S+)", one.log)
        assert found
        hidden = [password, secret, in_file, PASTED, *parts_of(key)]
        yield Subject(
            one, found.group(1), secret, password, hidden, tokens, own, tmp_path / "pki" / "localhost.pem",
            transport == "grpcio", store, redis,
        )  # fmt: skip


def channel_to(subject: Subject) -> grpc.aio.Channel:
    """Make a channel, over TLS if the sidecar speaks it."""
    if not subject.tls:
        return grpc.aio.insecure_channel(subject.one.address)
    authority = subject.certificate.with_name("ca.pem").read_bytes()
    options = [("grpc.ssl_target_name_override", "localhost")]
    return grpc.aio.secure_channel(subject.one.address, grpc.ssl_channel_credentials(authority), options=options)


def pages(subject: Subject) -> list[str]:
    """What the management port answers."""
    said = []
    for path in ("/livez", "/readyz?verbose", "/startupz", "/metrics", "/status.json", "/status.json?tenant=%00", "/"):
        try:
            with urllib.request.urlopen(f"http://{subject.management}{path}", timeout=30) as answer:
                said.append(answer.read().decode())
        except urllib.error.HTTPError as error:
            said.append(error.read().decode())
    return said


def command_line(pid: int) -> str:
    """What everybody on the machine sees of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


async def asked(subject: Subject, stub: LearningStub, *tokens: str) -> list[str]:
    """What every method answers to good and to bad requests, with each token."""
    said = []
    for method, request in REQUESTS.items():
        for tenant in ("", "other", "\x00"):
            said += [str(await outcome(stub, method, request(tenant, ""), token)) for token in tokens]
    broken = pb.RestoreRequest(document_json=PASTED[:3] + "{")
    said.append(str(await outcome(stub, "Restore", broken, subject.secret)))
    return said


async def logged(subject: Subject, text: str, times: int = 1) -> None:
    """Wait for a line in the log."""
    deadline = time.monotonic() + WAIT_S
    while subject.one.log.count(text) < times:
        assert time.monotonic() < deadline, subject.one.log[-3000:]
        await asyncio.sleep(0.1)


async def test_no_secret_is_shown(subject: Subject) -> None:
    """In no answer, no page, no line of the log and no command line: when all is well, and when all goes wrong."""
    said: list[str] = []
    async with channel_to(subject) as channel:
        stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        unknown = secrets.token_urlsafe(32)
        said += await asked(subject, stub, subject.secret, unknown, "")
        for form in (
            f"Basic {subject.secret}",
            subject.secret,
            f"Bearer {subject.secret}x",
            f"Bearer {subject.secret} y",
        ):
            call = stub.Status(pb.StatusRequest(), metadata=(("authorization", form),))
            assert await call.code() is CODE.UNAUTHENTICATED
            said.append(str(await call.details()))
        taken = await outcome(stub, "Snapshot", REQUESTS["Snapshot"]("", ""), subject.secret)
        assert "route" in taken.said
        said += pages(subject)

        subject.tokens.write_text(f"tokens: [{{name: a, sha256: {PASTED}, rights: [{PASTED}]}}]\nsecret: {PASTED}")
        await logged(subject, "the tokens cannot be read again")
        subject.tokens.write_text(f"{PASTED}: [{PASTED}")
        await logged(subject, "the tokens cannot be read again", 2)
        if subject.tls:
            key = subject.certificate.with_suffix(".key")
            subject.certificate.write_bytes(key.read_bytes())
            await logged(subject, "the TLS certificate cannot be read again")

        subject.redis.config_set("requirepass", "another")  # then the password is wrong
        subject.redis.client_kill_filter(_type="normal", skipme=True)
        await logged(subject, "the store is away")
        said += await asked(subject, stub, subject.secret)
        said += pages(subject)
        subject.store.close()  # and then nobody is there
        said += await asked(subject, stub, subject.secret)
        said += pages(subject)
    said.append(command_line(subject.one.process.pid))
    subject.one.stop()
    said.append(subject.one.log)
    everything = "\n".join(said)

    assert len(subject.one.log) > 2000
    for form in (*spellings(subject.hidden), *spellings([unknown])):
        assert form not in everything, everything[everything.index(form) - 300 :][:600].replace(form, "<SECRET>")


async def test_the_coin_is_not_shown(subject: Subject) -> None:
    """The salt of a canary, by which an arm could be chosen, is in the store and nowhere else."""
    async with channel_to(subject) as channel:
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        request = REQUESTS["SetMode"]("", "")
        request.mode = pb.MODE_CANARY
        await stub.SetMode(request, metadata=bearer(subject.secret))
        said = await asked(subject, stub, subject.secret)
        said += pages(subject)
    (key,) = list(subject.redis.scan_iter("*{default/main}:route:gate"))
    salt = (subject.redis.hget(key, "salt") or b"").decode()

    assert len(salt) >= 16
    assert salt not in "\n".join([*said, subject.one.log])


@pytest.mark.parametrize(
    "url",
    [
        "redis://:{}@[bad", "redis://:{}@host:port", "http://:{}@host", "{}", "redis://:{}@host:99999999", "redis://user:{}",
        "rediss://:{}@host?ssl_cert_reqs=maybe", "redis+sentinel://:{}@host", "redis://:{}@host/db?password={}",
        "unix://:{}@relative", "redis://host?nonsense={}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [("check-config",), ("serve", "--address", "127.0.0.1:0", "--log-level", "debug")])
def test_a_bad_url_is_refused_without_its_password(url: str, command: tuple[str, ...]) -> None:
    """Whatever is wrong with it."""
    environment = {**os.environ, "LEARNING_REDIS_URL": url.replace("{}", PASTED), "LEARNING_MANAGEMENT_ADDRESS": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", *command], env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "LEARNING_REDIS_URL" in done.stderr
    assert PASTED not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


async def test_no_page_without_a_token(subject: Subject) -> None:
    """The management port asks for no token, so where calls need one it shows nobody's state."""
    for path in ("/", "/status.json"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            await asyncio.to_thread(urllib.request.urlopen, f"http://{subject.management}{path}", timeout=30)
        assert caught.value.code == 403
        caught.value.close()
