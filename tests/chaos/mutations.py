"""Requests as nobody sane would send them: random messages, valid ones with something changed, and bytes of neither."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from sidecar.v1 import learning_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["Learning"]
REQUESTS: dict[str, type[Message]] = {method.name: getattr(pb, method.input_type.name) for method in SERVICE.methods}
ANSWERS: dict[str, type[Message]] = {method.name: getattr(pb, method.output_type.name) for method in SERVICE.methods}

_DEPTH_MOST = 3
_TEXTS = (
    "", "route", "prompt", "retrieval", "default", "main", "small", "large", "a" * 128, "a" * 129, " ", "\x00", "\t",
    "x\ty", "x y", "x\ny", "# keep", "# lease x", "{}", "a:b", "a/b", "%2F", "\u202e", "\U0001f642", "é", "e\u0301",
    "nil", "-1", "1e400", "domain:route", "count:small", "version", "\ufeffa", "\u0661", "workspace", "*",
)  # fmt: skip
_NUMBERS = (0.0, -0.0, 1.0, 0.5, -1.0, 1e-320, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 1e6, 1e6 + 1,
            9_007_199_254_740_993.0, 0.1 + 0.2, 1e-10)  # fmt: skip
_WHOLES = (0, 1, -1, 2, 5, 255, 604_800_000, 604_800_001, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63))
_IDS = tuple(f"id-{number}" for number in range(40))


def request(rng: random.Random, documents: list[str]) -> tuple[str, bytes]:
    """One request: the method's name, and its bytes. `documents` are snapshots to begin from."""
    method = rng.choice(list(REQUESTS))
    way = rng.random()
    if way < 0.05:
        return method, rng.randbytes(rng.choice((0, 1, 7, 60, 900)))
    message = plausible(rng, method, documents) if way < 0.65 else random_message(rng, REQUESTS[method])
    if way < 0.45:
        _spoil(rng, message)
    raw = message.SerializeToString()
    return method, mutated(rng, raw) if rng.random() < 0.2 else raw


def plausible(rng: random.Random, method: str, documents: list[str]) -> Message:  # noqa: PLR0911 - one for each method
    """A request that is most likely allowed."""
    place = {"tenant": "", "workspace": rng.choice(("", "w1", "w2"))}
    domain = rng.choice(("route", "prompt", "retrieval", "made up"))
    if method.endswith("Batch"):
        single = method.removesuffix("Batch")
        items = [plausible(rng, single, documents) for _ in range(rng.randrange(1, 5))]
        return REQUESTS[method](requests=items)
    match method:
        case "Recommend":
            arms = rng.sample(("small", "large", "cached", "other"), rng.randrange(1, 5))
            candidates = [pb.Candidate(arm=arm, cost_ceiling_usd=rng.choice((0.0, 0.001, 0.01))) for arm in arms]
            return pb.RecommendRequest(**place, domain=domain, decision_id=rng.choice(_IDS), candidates=candidates,
                                       context={"tokens": rng.random()}, reward_deadline_ms=3_600_000)  # fmt: skip
        case "Reward":
            signals = pb.Signals(quality=rng.random(), cost_usd=rng.random() / 1000, latency_ms=rng.random() * 900)
            return pb.RewardRequest(**place, domain=domain, decision_id=rng.choice(_IDS), signals=signals,
                                    more_to_come=rng.random() < 0.3)  # fmt: skip
        case "Release":
            return pb.ReleaseRequest(**place, domain=domain, decision_id=rng.choice(_IDS))
        case "Restore":
            text = document(rng, rng.choice(documents)) if documents else "{}"
            return pb.RestoreRequest(**place, document_json=text, dry_run=rng.random() < 0.5,
                                     create_unknown_domains=rng.random() < 0.5)  # fmt: skip
        case "SetMode":
            modes = (pb.MODE_SHADOW, pb.MODE_UNGATED, pb.MODE_CANARY, pb.MODE_LIVE, pb.MODE_GATED, pb.MODE_OFF)
            asked = pb.SetModeRequest(**place, domain=domain, mode=rng.choice(modes), reason="fuzz")
            if rng.random() < 0.3:
                asked.settings.update({"posterior_refresh_ms": 50, "budget": {"limit_usd": rng.choice((1, 0.5))}})
            return asked
        case _:
            return REQUESTS[method](**place)


def random_message(rng: random.Random, kind: type[Message], depth: int = 0) -> Message:
    """A message with any fields set to anything of their types."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.6:
            _fill(rng, message, field, depth)
    return message


def _fill(rng: random.Random, message: Message, field: FieldDescriptor, depth: int) -> None:  # noqa: C901 - as protobuf
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        held = getattr(message, field.name)
        for _ in range(rng.choice((0, 1, 3, 70))):
            key = rng.choice(_TEXTS) + str(rng.randrange(100)) * rng.randrange(2)
            if entry.fields_by_name["value"].message_type is None:
                held[key] = value(rng, entry.fields_by_name["value"])
            elif depth < _DEPTH_MOST:
                held[key].CopyFrom(random_message(rng, type(held[key]), depth + 1))
    elif field.is_repeated:
        held = getattr(message, field.name)
        for _ in range(rng.choice((0, 1, 2, 5, 30))):
            if entry is None:
                held.append(value(rng, field))
            elif depth < _DEPTH_MOST:
                held.add().CopyFrom(random_message(rng, entry._concrete_class, depth + 1))
    elif entry is not None:
        if depth < _DEPTH_MOST:
            getattr(message, field.name).CopyFrom(random_message(rng, entry._concrete_class, depth + 1))
    else:
        setattr(message, field.name, value(rng, field))


def value(rng: random.Random, field: FieldDescriptor) -> Any:  # noqa: PLR0911 - one for each type
    """A value of a field's type; enums may have a number that nobody has declared."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return rng.randbytes(rng.randrange(20))
            return (
                rng.choice((*_TEXTS, *_IDS))
                if rng.random() < 0.9
                else "".join(chr(rng.randrange(1, 0xD800)) for _ in range(9))
            )
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return rng.choice(_NUMBERS) if rng.random() < 0.7 else rng.uniform(-2, 2) * 10 ** rng.randrange(-5, 8)
        case FieldDescriptor.CPPTYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptor.CPPTYPE_ENUM:
            return rng.choice((0, 1, 2, 3, 6, 7, 99, -1, 2**31 - 1))
        case FieldDescriptor.CPPTYPE_INT32:
            return max(-(2**31), min(2**31 - 1, rng.choice(_WHOLES)))
        case FieldDescriptor.CPPTYPE_INT64:
            return rng.choice(_WHOLES)
        case _:
            return abs(rng.choice(_WHOLES[:6]))


def _spoil(rng: random.Random, message: Message) -> None:
    """Change one field, here or further in."""
    held = [(field, one) for field, one in message.ListFields() if field.message_type is not None and field.is_repeated
            and not field.message_type.GetOptions().map_entry and len(one)]  # fmt: skip
    if held and rng.random() < 0.6:
        _spoil(rng, rng.choice(rng.choice(held)[1]))
        return
    _fill(rng, message, rng.choice(message.DESCRIPTOR.fields), 1)


def mutated(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with one to four changes: flipped, cut, put in, doubled or swapped."""
    data = bytearray(raw)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data) + 1)
        kinds: tuple[Callable[[], None], ...] = (
            lambda at=at: data.__setitem__(slice(at, at + 1), bytes([rng.randrange(256)])),
            lambda at=at: data.__delitem__(slice(at, at + rng.randrange(1, 9))),
            lambda at=at: data.__setitem__(slice(at, at), rng.randbytes(rng.randrange(1, 9))),
            lambda at=at: data.__setitem__(slice(at, at), bytes(data[max(0, at - 16) : at])),
            lambda at=at: data.__delitem__(slice(at, None)),
            lambda at=at: data.__setitem__(slice(at, at + 10), b"\xff" * 10),
        )
        rng.choice(kinds)()
    return bytes(data)


# --- snapshot documents


_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**40, 1.5, -0.0, 1e308, "", "x", "total",
    "day/20630", "day/-1", "\x00", [], {}, [1, 2], [-1], {"a": 1}, [[[[]]]], {"x": {"y": {}}}, "1e999",
)  # fmt: skip


def document(rng: random.Random, text: str) -> str:
    """A snapshot with something changed; one in five is left as it is, one in five is changed as text."""
    way = rng.random()
    if way < 0.2:
        return text
    if way < 0.4:
        return mutated(rng, text.encode()).decode(errors="replace")
    if way < 0.43:
        return rng.choice(
            ("[" * 5000, '{"a":' * 3000, "null", "", "NaN", '"' + "x" * 100_000 + '"', "1" * 5000, "{" * 999)
        )
    whole = json.loads(text)
    for _ in range(rng.randrange(1, 4)):
        _change(rng, whole)
    return json.dumps(whole)


def _change(rng: random.Random, whole: Any) -> None:
    """Walk to some place in it, and put something odd there, take it away, or give it another name."""
    at = whole
    while True:
        if not isinstance(at, (dict, list)) or not at:
            return
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        if isinstance(at[key], (dict, list)) and at[key] and rng.random() < 0.85:
            at = at[key]
            continue
        way = rng.random()
        if way < 0.6:
            at[key] = deepcopy(rng.choice(_ODD))
        elif way < 0.75:
            del at[key]
        elif isinstance(at, dict):
            at[rng.choice(_TEXTS)] = at[key]
        return


def readable(method: str, raw: bytes) -> str:
    """A request for people, with its bytes to send again."""
    try:
        text = text_format.MessageToString(REQUESTS[method].FromString(raw), as_one_line=True)
    except DecodeError as error:
        text = f"not a message: {error}"
    return f"{text[:300]} bytes {raw[:400].hex()}"
