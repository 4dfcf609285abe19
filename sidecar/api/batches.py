"""Several requests in one call: each is answered, or says why not, in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sidecar.api.statuses import status_of
from sidecar.errors import InvalidInput, SidecarError
from sidecar.v1 import learning_pb2 as pb

BATCH_MAX = 256

Q = TypeVar("Q")
V = TypeVar("V")
O = TypeVar("O")  # noqa: E741 - the outcome
A = TypeVar("A")
R = TypeVar("R")


async def results(
    requests: Sequence[Q],
    kind: Callable[..., R],
    validated: Callable[[Q], V],
    carry_out: Callable[[list[V]], Awaitable[list[O | SidecarError]]],
    answer: Callable[[V, O], A],
) -> list[R]:
    """Validate each request, carry out together those that are valid, and say of each what became of it.

    Args:
        requests: 1 to 256.
        kind: the message of one result, with `response` or `error`.
        validated: one request, or raises.
        carry_out: all that are valid.
        answer: the response to one.

    Raises:
        InvalidInput: there are none or too many.
    """
    if not 1 <= len(requests) <= BATCH_MAX:
        raise InvalidInput("requests", len(requests), f"1 to {BATCH_MAX} requests")
    wanted = [_or_error(validated, one) for one in requests]
    outcomes = iter(await carry_out([one for one in wanted if not isinstance(one, SidecarError)]))
    made = []
    for one in wanted:
        outcome = one if isinstance(one, SidecarError) else next(outcomes)
        if isinstance(one, SidecarError) or isinstance(outcome, SidecarError):
            made.append(kind(error=item_error(outcome)))  # type: ignore[arg-type]  # it is one
        else:
            made.append(kind(response=answer(one, outcome)))
    return made


def item_error(error: SidecarError) -> pb.ItemError:
    """Why one item has no answer."""
    field = error.field if isinstance(error, InvalidInput) else ""
    code: int = status_of(error).value[0]
    return pb.ItemError(code=code, reason=error.reason, message=str(error), field=field)


def _or_error(validated: Callable[[Q], V], request: Q) -> V | SidecarError:
    try:
        return validated(request)
    except SidecarError as error:
        return error
