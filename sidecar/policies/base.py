"""What a policy is."""

from __future__ import annotations

import base64
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from sidecar.errors import InvalidInput
from sidecar.model.arm import Arm
from sidecar.model.units import bounded
from sidecar.policies.choice import Choice

_MT19937_WORDS = 625
_GAUSS_MAX = 40.0  # in standard deviations: what no generator ever keeps


class Policy(ABC):
    """Chooses among candidates by their statistics. Pure: it holds parameters and a generator, never data.

    Args:
        rng: the source of every random number, of draws and of tie-breaks alike. Give a seeded one to
            make choices reproducible: its state is then part of `state_dict`. Without one the policy
            seeds itself from the system, and keeps that state to itself: replicas must not explore alike.
    """

    name: ClassVar[str]
    """How settings and snapshots call it."""
    version: ClassVar[int]
    """Of the saved state; a change of meaning of a parameter needs a new one."""
    contextual: ClassVar[bool] = False
    """Whether `choice` looks at the context; if not, one choice serves many requests."""

    def __init__(self, *, rng: Random | None = None) -> None:
        """Keep the generator."""
        self.rng = rng or Random()  # noqa: S311 - exploration, not secrets
        self._reproducible = rng is not None

    @abstractmethod
    def choice(self, arms: Sequence[Arm], context: Mapping[str, float]) -> Choice:
        """The distribution over the candidates `arms`, by their index; must not draw from `rng`."""

    @abstractmethod
    def parameters(self) -> dict[str, float]:
        """What was declared, the prior included, by the names of the constructor's arguments."""

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue elsewhere: name, version, parameters, and the generator if seeded."""
        state: dict[str, Any] = {"name": self.name, "version": self.version, "parameters": self.parameters()}
        if self._reproducible:
            state["rng"] = pack_rng(self.rng)
        return state

    def load_state(self, state: Mapping[str, Any], *, reseed: bool = False) -> None:
        """Continue from `state_dict`. Validates everything before it changes anything.

        Args:
            state: what `state_dict` returned.
            reseed: keep this policy's own generator although the state has one.

        Raises:
            InvalidInput: another policy, another version, or a value that is not allowed.
        """
        for key, own in (("name", self.name), ("version", self.version)):
            if state.get(key) != own:
                raise InvalidInput(f"policy.{key}", state.get(key), repr(own))
        parameters = dict(state.get("parameters") or {})
        if parameters.keys() != self.parameters().keys():
            raise InvalidInput("policy.parameters", sorted(parameters), f"exactly {sorted(self.parameters())}")
        fresh = type(self)(**parameters)
        rng_state = unpack_rng(state["rng"]) if "rng" in state else None
        for attribute, value in vars(fresh).items():
            if attribute not in ("rng", "_reproducible"):
                setattr(self, attribute, value)
        if rng_state is not None and not reseed:
            self.rng.setstate(rng_state)
            self._reproducible = True


def pack_rng(rng: Random) -> dict[str, Any]:
    """The state of a generator as plain JSON values."""
    version, words, gauss_next = rng.getstate()
    packed = base64.b64encode(struct.pack(f"<{len(words)}I", *words)).decode("ascii")
    return {"algorithm": "MT19937", "version": version, "words_base64": packed, "gauss_next": gauss_next}


def unpack_rng(packed: Mapping[str, Any]) -> tuple[Any, ...]:
    """The state that `pack_rng` packed, validated.

    Raises:
        InvalidInput: it is not such a state.
    """
    try:
        raw = base64.b64decode(packed["words_base64"], validate=True)
        words = struct.unpack(f"<{_MT19937_WORDS}I", raw)
        spare = packed["gauss_next"]
        state = (
            packed["version"],
            words,
            None if spare is None else bounded("gauss_next", spare, -_GAUSS_MAX, _GAUSS_MAX),
        )
        Random().setstate(state)  # noqa: S311 - a trial run, nothing is drawn
    except (InvalidInput, KeyError, TypeError, ValueError, struct.error) as error:
        raise InvalidInput("policy.rng", packed, "a generator's state as written by a snapshot") from error
    return state
