"""What `LEARNING_REDIS_URL` may say: one server, servers that Sentinels watch, or a cluster.

The options, but for `min_replicas`, are those of redis-py, which is not asked to take URLs apart: importing it costs
10 MB in every pod (docs/decisions/0008).
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from msgspec import Meta, Struct

from sidecar.errors import InvalidSettings

Kind = Literal["server", "sentinel", "cluster"]

_KINDS: dict[str, Kind] = {
    "redis": "server", "rediss": "server", "unix": "server",
    "redis+sentinel": "sentinel", "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster", "rediss+cluster": "cluster",
}  # fmt: skip
_PORTS: dict[Kind, int] = {"server": 6379, "sentinel": 26379, "cluster": 6379}


class Address(NamedTuple):
    """Where a server listens; port 1 to 65535.

    >>> str(Address("10.0.0.1", 6379)), str(Address("::1", 6379))
    ('10.0.0.1:6379', '[::1]:6379')
    """

    host: str
    port: int

    def __str__(self) -> str:
        """As in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """What may follow `?` in a URL."""

    db: Annotated[int, Meta(ge=0)] = 0
    username: str = ""
    password: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""
    client_name: str = "learning-sidecar"
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_cert_reqs: Literal["none", "optional", "required"] = "required"
    ssl_check_hostname: bool = True
    min_replicas: Annotated[int, Meta(ge=0)] = 0
    """So many replicas have what was written before it is answered; ours, redis-py does not know it."""


class Target(Struct, frozen=True):
    """A URL taken apart.

    `addresses` are of the server, of Sentinels, or of some nodes of a cluster; a socket has a `path` in their place.
    """

    kind: Kind
    tls: bool
    options: Options
    addresses: tuple[Address, ...] = ()
    path: str = ""
    service: str = ""

    def server(self, address: Address) -> Target:
        """One of the servers that it is about."""
        return Target("server", self.tls, self.options, (address,))

    def sentinel(self, address: Address) -> Target:
        """One of the Sentinels, which have users of their own and no databases."""
        one = self.options
        own = msgspec.structs.replace(one, username=one.sentinel_username, password=one.sentinel_password, db=0)
        return Target("server", self.tls, own, (address,))


def target_of(url: str) -> Target:
    """Take a URL apart.

    >>> target_of("redis+sentinel://a:1,b/mine/2").addresses
    (Address(host='a', port=1), Address(host='b', port=26379))

    Raises:
        InvalidSettings: it is none that is allowed; the message shows no more of it than its scheme.
    """
    scheme = url.partition("://")[0] if "://" in url else ""  # without one, all of it may be secret
    try:
        return _target(scheme, url.partition("://")[2])
    except (KeyError, ValueError):  # msgspec's errors are ValueErrors; none of them may show a password
        raise InvalidSettings("LEARNING_REDIS_URL", f"{scheme}://...", _allowed(_KINDS.get(scheme))) from None


def _target(scheme: str, rest: str) -> Target:
    kind = _KINDS[scheme]
    before, _, query = rest.partition("?")
    place, _, path = before.partition("/")
    user, _, hosts = place.rpartition("@")
    given = dict(parse_qsl(query))
    service, path = _service_and_rest(path) if kind == "sentinel" else ("", path)
    if scheme == "unix":
        if hosts or not path:
            raise ValueError(scheme)
        return Target(kind, tls=False, options=_options(kind, given, user), path=f"/{unquote(path)}")
    if path.strip("/"):
        given.setdefault("db", path.strip("/"))
    addresses = tuple(_address(one, kind) for one in (hosts.split(",") if kind != "server" else (hosts,)))
    return Target(kind, scheme.startswith("rediss"), _options(kind, given, user), addresses, "", service)


def _service_and_rest(path: str) -> tuple[str, str]:
    service, _, rest = path.partition("/")
    if not service:
        raise ValueError(path)
    return unquote(service), rest


def _options(kind: Kind, given: dict[str, str], user: str) -> Options:
    name, _, password = user.partition(":")
    given |= {key: unquote(one) for key, one in (("username", name), ("password", password)) if one}
    options = msgspec.convert(given, Options, strict=False)
    if kind == "cluster" and options.db:
        raise ValueError(options.db)
    if kind != "sentinel" and (options.sentinel_username or options.sentinel_password):
        raise ValueError(kind)
    return options


def _address(text: str, kind: Kind) -> Address:
    parts = urlsplit(f"//{text}")
    if parts.netloc != text or "@" in text or "," in text or (kind != "server" and not parts.hostname):
        raise ValueError(kind)
    return Address(parts.hostname or "localhost", parts.port or _PORTS[kind])


def _allowed(kind: Kind | None) -> str:
    options = set(Options.__struct_fields__)
    if kind != "sentinel":
        options -= {"sentinel_username", "sentinel_password"}
    if kind == "cluster":
        options -= {"db"}
    among = f"with options among {', '.join(one for one in Options.__struct_fields__ if one in options)}"
    if kind == "sentinel":
        return f"redis[s]+sentinel://[user:password@]host:port[,host:port...]/service[/db] {among}"
    if kind == "cluster":
        return f"redis[s]+cluster://[user:password@]host:port[,host:port...] {among}"
    return f"redis://, rediss:// or unix://, redis+sentinel:// or redis+cluster:// (with TLS rediss+...) {among}"
