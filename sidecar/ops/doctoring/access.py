"""Who may do what: enough for the sidecar, and no more for anybody else."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.ops.doctoring.facts import Facts
from sidecar.ops.doctoring.finding import Finding, ok, problem, warning
from sidecar.store.rights import acl_line

_LOOPBACK = ("127.", "::1", "localhost")


def findings(facts: Facts) -> Iterator[Finding]:
    """All of it."""
    yield _enough(facts)
    yield from _too_much(facts)
    yield _door(facts)


def _enough(facts: Facts) -> Finding:
    if facts.denied is None:
        return problem("rights", "the user may not run scripts (EVAL was refused)", _line(facts))
    if facts.denied:
        rights = " ".join(f"+{name}" for name in facts.denied)
        message = f"the user {_user(facts)} may not {', '.join(facts.denied)} keys '{facts.prefix}:*'"
        return problem("rights", message, f"ACL SETUSER {_user(facts)} ~{facts.prefix}:* {rights}")
    return ok("rights", f"the user {_user(facts)} may do what the sidecar needs")


def _too_much(facts: Facts) -> Iterator[Finding]:
    if facts.target.path:  # a socket in a directory of its own is a lock already
        return
    if facts.excess:
        message = f"the user {_user(facts)} may do what it never needs: {', '.join(facts.excess)}"
        yield warning("least privilege", message, _line(facts))
    elif facts.denied is not None:
        yield ok("least privilege", f"the user {_user(facts)} may do nothing harmful")


def _door(facts: Facts) -> Finding:
    if facts.target.path:
        return ok("password", "a socket, which the system guards")
    host = facts.target.addresses[0].host
    near = host.startswith(_LOOPBACK)
    options = facts.target.options
    if not (options.password or options.username):
        protected, bound = facts.config.get("protected-mode"), facts.config.get("bind", "")
        open_to_all = protected == "no" and not all(one.lstrip("-").startswith(_LOOPBACK) for one in bound.split())
        if not near or open_to_all:
            message = "without a password: whoever reaches the server may read and write all of it"
            return problem("password", message, _line(facts))
        return warning("password", "without a password; only this machine reaches it", _line(facts))
    if not near and not facts.target.tls:
        message = f"the password and all else travel to {host} in the clear"
        return warning("password", message, "LEARNING_REDIS_URL=rediss://...")
    return ok("password", "asked for" if near else "asked for, by TLS")


def _user(facts: Facts) -> str:
    return facts.user or facts.target.options.username or "default"


def _line(facts: Facts) -> str:
    return acl_line(facts.prefix, *facts.needed)
