"""Every way to a server that a URL can name, and what becomes of those that are not let in."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hiredis import pack_command
from redis.asyncio import Redis

from sidecar.errors import InvalidSettings, StoreUnavailable
from sidecar.store import transitions as t
from sidecar.store.endpoint import Endpoint
from sidecar.store.keys import workspace_key
from sidecar.store.refusals import Kind, Refused
from sidecar.store.stream import Stream
from tests.conftest import RedisStores

from .conftest import Transitions
from .scripted import LONG_S, until_true
from .servers import certificates, free_port, tls_before, valkey

MINE = pack_command(("CLIENT", "LIST"))  # type: ignore[arg-type]  # its stub knows tuples of one only


@pytest.fixture(scope="module")
def guarded(short_dir: Path) -> Iterator[tuple[Path, int]]:
    """Run a server that wants a password and has users; gives its socket and its port."""
    users = short_dir / "users.acl"
    port = free_port()
    users.write_text(
        "user default on >p%ss ~* &* +@all\n"
        "user alice on >s3cret/@: ~* &* +@all\n"
        "user bare on nopass ~* +@all -client -select\n",
        encoding="utf-8",
    )
    with valkey(short_dir / "guarded", "--port", str(port), "--bind", "127.0.0.1", "--aclfile", str(users)) as path:
        yield path, port


@pytest.fixture(scope="module")
def signed(short_dir: Path) -> Path:
    """Make certificates."""
    certificates(short_dir / "signed")
    return short_dir / "signed"


async def who(url: str) -> dict[str, str]:
    """Say what the server knows of the one connection that a stream makes."""
    stream = Stream(Endpoint(url), timeout_s=10.0)
    try:
        told = await stream.execute(pack_command(("CLIENT", "INFO")))  # type: ignore[arg-type]
        return dict(word.split("=", 1) for word in told.decode().split())
    finally:
        await stream.close()


async def failure(url: str, timeout_s: float = LONG_S) -> BaseException | None:
    """Say why no connection is made, which callers must be told without waiting, each time."""
    stream = Stream(Endpoint(url), timeout_s=timeout_s)
    started = time.monotonic()
    try:
        for _ in range(2):
            with pytest.raises(OSError, match=r"the server is away|no reply in time"):
                await stream.execute(MINE)
            await until_true(lambda: stream._failure is not None)
        assert time.monotonic() - started < LONG_S / 2
        return stream._failure
    finally:
        await stream.close()


# --- sockets, databases, users


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:p%25ss@127.0.0.1:{port}", {"user": "default", "db": "0", "name": "learning-sidecar"}),
        ("redis://:p%25ss@localhost:{port}/3", {"user": "default", "db": "3"}),
        ("redis://alice:s3cret%2F%40%3A@127.0.0.1:{port}/0", {"user": "alice", "db": "0"}),
        ("redis://127.0.0.1:{port}?username=alice&password=s3cret%2F%40%3A&db=2", {"user": "alice", "db": "2"}),
        ("redis://:p%25ss@127.0.0.1:{port}?client_name=me", {"name": "me"}),
        ("unix://:p%25ss@{path}?db=5", {"user": "default", "db": "5"}),
        ("unix://{path}?password=p%25ss", {"user": "default", "db": "0"}),
    ],
)
async def test_url_says_how_to_get_in(guarded: tuple[Path, int], url: str, expected: dict[str, str]) -> None:
    """TCP and unix sockets, password alone or with a user, database and name are as the URL says."""
    found = await who(url.format(path=guarded[0], port=guarded[1]))
    assert {name: found[name] for name in expected} == expected


async def test_user_without_password_or_right_to_a_name(guarded: tuple[Path, int]) -> None:
    """One who needs no password is still logged in as who it is, and may come in without showing a name."""
    stream = Stream(Endpoint(f"unix://bare@{guarded[0]}"), timeout_s=LONG_S)
    assert await stream.execute(pack_command(("ACL", "WHOAMI"))) == b"bare"  # type: ignore[arg-type]
    with pytest.raises(Refused) as refused:
        await stream.execute(MINE)
    assert refused.value.kind is Kind.NOPERM
    await stream.close()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("unix://:wrong@{path}", Kind.WRONGPASS),
        ("unix://alice:wrong@{path}", Kind.WRONGPASS),
        ("unix://nobody:p%25ss@{path}", Kind.WRONGPASS),
        ("unix://alice@{path}", Kind.WRONGPASS),
        ("unix://{path}", Kind.NOAUTH),
        ("unix://:p%25ss@{path}?db=99", Kind.ERR),
        ("unix://bare@{path}?db=1", Kind.NOPERM),
    ],
)
async def test_who_is_not_let_in_is_told_at_once(guarded: tuple[Path, int], url: str, kind: Kind) -> None:
    """A wrong password, user or database refuses callers at once, now and later; no command goes elsewhere."""
    why = await failure(url.format(path=guarded[0]))
    assert isinstance(why, Refused)
    assert why.kind is kind


async def test_wrong_password_is_unavailable(
    guarded: tuple[Path, int], redis_stores: RedisStores, made: Transitions
) -> None:
    """To the store's callers a wrong password is an unavailable store, for hot transitions and others."""
    store = redis_stores(f"redis://:wrong@127.0.0.1:{guarded[1]}", timeout_s=LONG_S)
    for transition in (made.issue(), made.settle(), made.read(), made.mode("off")):
        with pytest.raises(StoreUnavailable):
            await store.apply(transition)
    with pytest.raises(StoreUnavailable):
        await store.server()


async def test_password_set_right_heals(data_dir: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """When the server takes the password after all, the store works without a restart."""
    with valkey(data_dir) as path:
        store, admin = redis_stores(f"unix://:new@{path}"), Redis.from_url(f"unix://{path}")
        with pytest.raises(StoreUnavailable):
            await store.apply(made.issue())
        await admin.config_set("requirepass", "new")
        while True:
            try:
                assert type(await store.apply(made.issue())) is t.Issued
                break
            except StoreUnavailable:
                await asyncio.sleep(0.01)
        await admin.aclose()


async def test_store_works_in_another_database(
    redis_url: str, redis_stores: RedisStores, made: Transitions, redis_client: Any
) -> None:
    """What is written through a URL with a database lies there, from both kinds of transitions, and only there."""
    store = redis_stores(f"{redis_url}?db=7")
    await store.apply(made.issue())
    assert (await store.apply(made.read())).domains["route"].open == 1  # type: ignore[union-attr]
    assert not await redis_client.exists(workspace_key("learning", "default", made.workspace))


# --- TLS


async def test_tls(server: Any, signed: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """Over TLS, with the authority that the URL names, transitions work as they do without."""
    async with tls_before(server.socket_path, signed / "localhost.pem") as port:
        store = redis_stores(f"rediss://localhost:{port}/0?ssl_ca_certs={signed}/ca.pem")
        replies = await asyncio.gather(*(store.apply(made.issue(f"d{number}")) for number in range(200)))
        assert {type(reply) for reply in replies} == {t.Issued}
        assert (await store.apply(made.read())).domains["route"].open == 200  # type: ignore[union-attr]
        await store.close()


@pytest.mark.parametrize(
    ("certificate", "host", "options", "why"),
    [
        ("localhost", "localhost", "", "unable to get"),
        ("other", "localhost", "ssl_ca_certs={signed}/ca.pem", "Hostname mismatch"),
        ("localhost", "127.0.0.1", "ssl_ca_certs={signed}/ca.pem", "IP address mismatch"),
        ("localhost", "localhost", "ssl_ca_certs={signed}/localhost.pem", "unable to get"),
    ],
)
async def test_tls_refuses_strangers(
    server: Any, signed: Path, certificate: str, host: str, options: str, why: str
) -> None:
    """A certificate that nobody known signed, or of another host, is refused, and callers are told at once."""
    async with tls_before(server.socket_path, signed / f"{certificate}.pem") as port:
        error = await failure(f"rediss://{host}:{port}?{options.format(signed=signed)}")
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert why in error.verify_message


@pytest.mark.parametrize(
    ("certificate", "options"),
    [
        ("other", "ssl_ca_certs={signed}/ca.pem&ssl_check_hostname=false"),
        ("other", "ssl_ca_certs={signed}/ca.pem&ssl_check_hostname=False"),
        ("localhost", "ssl_cert_reqs=none"),
    ],
)
async def test_tls_checks_can_be_left_out(server: Any, signed: Path, certificate: str, options: str) -> None:
    """Who says so in the URL may do without the host's name, or without any check."""
    async with tls_before(server.socket_path, signed / f"{certificate}.pem") as port:
        found = await who(f"rediss://localhost:{port}?{options.format(signed=signed)}")
    assert found["name"] == "learning-sidecar"


async def test_tls_shows_its_own_certificate(server: Any, signed: Path) -> None:
    """A server that lets in only whom it knows sees the certificate that the URL names, and refuses without."""
    async with tls_before(server.socket_path, signed / "localhost.pem", clients=signed / "ca.pem") as port:
        url = f"rediss://localhost:{port}?ssl_ca_certs={signed}/ca.pem"
        found = await who(f"{url}&ssl_certfile={signed}/client.pem&ssl_keyfile={signed}/client.key")
        assert found["name"] == "learning-sidecar"
        assert isinstance(await failure(url), OSError)


async def test_tls_to_a_server_without(guarded: tuple[Path, int], signed: Path) -> None:
    """A server that does not speak TLS is given up in time, and a missing file is told at once."""
    assert isinstance(await failure(f"rediss://localhost:{guarded[1]}?ssl_ca_certs={signed}/ca.pem", 0.2), OSError)
    assert isinstance(await failure(f"rediss://localhost:{guarded[1]}?ssl_ca_certs={signed}/none"), FileNotFoundError)


# --- URLs that say nothing


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:6379", "alice:s3cret@localhost", "http://alice:s3cret@localhost", "unix://", "redis+unix:///a",
        "redis://localhost:s3cret", "redis://:s3cret@localhost:99999", "redis://:s3cret@localhost/one",
        "redis://:s3cret@localhost?db=-1", "rediss://:s3cret@localhost?ssl_cert_reqs=maybe",
        "rediss://:s3cret@localhost?ssl_check_hostname=perhaps", "redis://:s3cret@localhost?s3cret=1",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    """What is no URL of a server is refused when it is read, and the message shows no secret."""
    with pytest.raises(InvalidSettings, match=r"^LEARNING_REDIS_URL: got ") as refused:
        Endpoint(url)
    assert "s3cret" not in str(refused.value)
