"""Which policy decides in which domain."""

from __future__ import annotations

from sidecar.errors import InvalidInput, UnknownDomain
from sidecar.model.names import valid_name
from sidecar.policies.base import Policy


class PolicyRegistry:
    """Policy instances by domain, injected by whoever wires the engine.

    >>> from sidecar.policies.first import FirstCandidate
    >>> registry = PolicyRegistry()
    >>> registry.register("route", FirstCandidate())
    >>> registry.domains(), registry.get("route").name
    (['route'], 'first')
    >>> registry.get("prompt")
    Traceback (most recent call last):
        ...
    sidecar.errors.UnknownDomain: domain 'prompt' is neither configured nor known to the store
    """

    def __init__(self) -> None:
        """Start empty."""
        self._policies: dict[str, Policy] = {}

    def register(self, domain: str, policy: Policy) -> None:
        """Let `policy` decide in `domain`, in place of the one that did.

        Raises:
            InvalidInput: the name is not allowed, or the policy is none (a class instead of an instance, say).
        """
        if not isinstance(policy, Policy):
            raise InvalidInput("policy", policy, "an instance of Policy")
        self._policies[valid_name("domain", domain)] = policy

    def get(self, domain: str) -> Policy:
        """The policy of a domain.

        Raises:
            UnknownDomain: none was registered.
        """
        try:
            return self._policies[domain]
        except KeyError:
            raise UnknownDomain(domain) from None

    def domains(self) -> list[str]:
        """Every domain with a policy, in the order of registration."""
        return list(self._policies)

    def __contains__(self, domain: str) -> bool:
        """Whether a domain has a policy."""
        return domain in self._policies

    def __len__(self) -> int:
        """How many domains have one."""
        return len(self._policies)
