"""Messages of the API as plain values, in the words that scenarios use."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

_BY_NAME = {"ArmStatus": "arm"}
"""Messages that are looked up by one of their fields: a list of them becomes a mapping."""


def plain(message: Message) -> dict[str, Any]:
    """Every field by its name; those without a value that can be absent are left out."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:  # noqa: ANN401 - what messages hold
    if not field.is_repeated:
        return _single(field, value)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    items = [_single(field, one) for one in value]
    key = _BY_NAME.get(field.message_type.name) if field.message_type is not None else None
    return {one[key]: one for one in items} if key else items


def _single(field: Any, value: Any) -> Any:  # noqa: ANN401 - likewise
    if field.message_type is not None:
        return plain(value)
    if field.enum_type is not None:
        # Values are prefixed with the name of the enum, as buf wants it: MODE_SHADOW.
        words: str = field.enum_type.values_by_number[value].name
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return words.removeprefix(prefix).lower()
    return value
