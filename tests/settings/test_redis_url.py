"""Every URL that a store may have, and that no other one shows a secret."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import InvalidSettings
from sidecar.settings.redis_url import Address, Kind, Options, Target, target_of
from sidecar.settings.service import read_service_settings

# ruff: noqa: S106, S108 - no secrets, and no files


def target(
    *places: str, kind: Kind = "server", tls: bool = False, path: str = "", service: str = "", **options: Any
) -> Target:
    """What a URL should say."""
    pairs = (place.rpartition(":") for place in places)
    addresses = tuple(Address(host, int(port)) for host, _, port in pairs)
    return Target(kind, tls, Options(**options), addresses, path, service)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", target("localhost:6379")),
        ("rediss://h:1/2", target("h:1", tls=True, db=2)),
        ("redis://:p%2Fs@[::1]", target("::1:6379", password="p/s")),
        ("unix://u:p@/tmp/a%20b?db=3", target(path="/tmp/a b", db=3, username="u", password="p")),
        ("redis+sentinel://a:1,b,[::1]:2/mine", target("a:1", "b:26379", "::1:2", kind="sentinel", service="mine")),
        (
            "rediss+sentinel://u:p@a/m%2Fine/4?sentinel_username=s&sentinel_password=t%40",
            target(
                "a:26379", kind="sentinel", tls=True, service="m/ine", db=4, username="u", password="p",
                sentinel_username="s", sentinel_password="t@",
            ),
        ),
        ("redis+cluster://:p@a:1,b", target("a:1", "b:6379", kind="cluster", password="p")),
        ("redis+cluster://a?min_replicas=1", target("a:6379", kind="cluster", min_replicas=1)),
        ("rediss+cluster://a?ssl_cert_reqs=none", target("a:6379", kind="cluster", tls=True, ssl_cert_reqs="none")),
    ],
)  # fmt: skip
def test_urls_are_taken_apart(url: str, expected: Target) -> None:
    """Servers, Sentinels and clusters, with users, databases and options."""
    assert target_of(url) == expected
    assert read_service_settings({"LEARNING_REDIS_URL": url}).redis_url == url


def test_sentinels_have_users_of_their_own() -> None:
    """What is for the server is not told to a Sentinel, nor the other way round; both speak TLS or neither."""
    one, address = target_of("rediss+sentinel://u:p@a/mine/4?sentinel_password=t"), Address("b", 2)
    assert one.server(address) == target("b:2", tls=True, db=4, username="u", password="p", sentinel_password="t")
    assert one.sentinel(address) == target("b:2", tls=True, password="t", sentinel_password="t")


@pytest.mark.parametrize(
    "url",
    [
        "s3cret", "http://:s3cret@h", "redis+unix:///s3cret", "unix://", "unix://s3cret/a", "redis://a,b/s3cret",
        "redis://h:s3cret", "redis://h:99999?password=s3cret", "redis://h/s3cret", "redis://h?s3cret=1",
        "redis://h?sentinel_password=s3cret", "redis+sentinel://:s3cret@h", "redis+sentinel://:s3cret@h/",
        "redis+sentinel://:s3cret@/mine", "redis+sentinel://:s3cret@a,,b/mine", "redis+sentinel://h/mine/s3cret",
        "redis+sentinel://h:s3cret/mine", "redis+cluster://:s3cret@", "redis+cluster://:s3cret@h/1",
        "redis+cluster://:s3cret@h?db=1", "redis+cluster://h?sentinel_username=s3cret", "redis+cluster://h,:s3cret",
        "REDIS+CLUSTER://:s3cret@h",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    """When the settings are read; the message names what is allowed and shows no secret."""
    with pytest.raises(InvalidSettings, match=r"^LEARNING_REDIS_URL: got .*; allowed: redis") as refused:
        read_service_settings({"LEARNING_REDIS_URL": url})
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(rest=st.text(max_size=30), scheme=st.sampled_from(["redis", "unix", "redis+sentinel", "redis+cluster", ""]))
def test_any_text_is_taken_or_refused(rest: str, scheme: str) -> None:
    """Nothing else comes of it."""
    with contextlib.suppress(InvalidSettings):
        assert target_of(f"{scheme}://{rest}").kind in ("server", "sentinel", "cluster")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("redis+sentinel://h", "/service[/db] with options among db, "),
        ("redis+cluster://h/1", "cluster://[user:password@]host:port[,host:port...] with options among username"),
        ("redis://h?x=1", "redis://, rediss:// or unix://, redis+sentinel:// or redis+cluster://"),
    ],
)  # fmt: skip
def test_refusal_says_what_is_allowed(url: str, allowed: str) -> None:
    """For the kind of URL that was meant."""
    with pytest.raises(InvalidSettings) as refused:
        target_of(url)
    assert allowed in refused.value.allowed
