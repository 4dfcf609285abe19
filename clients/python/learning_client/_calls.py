"""A call as a value: what to send, and how to read what comes back. How it is sent is the transport's affair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from learning_client.v1 import learning_pb2 as pb

Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the service."""

    name: str
    """Its name in the service."""
    request: type[Message]
    """What it takes."""
    answer: type[Message]
    """What it gives."""

    @property
    def path(self) -> str:
        """Where it is found on the wire."""
        return f"/{SERVICE}/{self.name}"


SERVICE: str = pb.DESCRIPTOR.services_by_name["Learning"].full_name
RECOMMEND = Method("Recommend", pb.RecommendRequest, pb.RecommendResponse)
REWARD = Method("Reward", pb.RewardRequest, pb.RewardResponse)
RELEASE = Method("Release", pb.ReleaseRequest, pb.ReleaseResponse)
METHODS = (RECOMMEND, REWARD, RELEASE)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no answer."""

    code: str
    """The name of a gRPC status code, or of an exception's class."""
    details: str
    """What is known about it, for people."""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Describe what a transport raised."""
        if not isinstance(error, grpc.RpcError):
            return cls(type(error).__name__, str(error))
        # What a call raises has these two, in grpc and in grpc.aio, though the class named here declares neither.
        code, details = getattr(error, "code", None), getattr(error, "details", None)
        if code is None or details is None:
            return cls(type(error).__name__, "")
        return cls(code().name, details() or "")

    @property
    def answer_missed(self) -> bool:
        """Whether the sidecar may have done what was asked, with the answer coming too late."""
        return self.code == grpc.StatusCode.DEADLINE_EXCEEDED.name

    def __str__(self) -> str:
        return f"{self.code}: {self.details}" if self.details else self.code


@dataclass(frozen=True, slots=True)
class Call(Generic[Result_co]):
    """One request to the sidecar."""

    method: Method
    """Where it goes."""
    request: Message
    """What is sent."""
    read: Callable[[Message | Failure], Result_co]
    """Turns what came back into a result; never raises."""
