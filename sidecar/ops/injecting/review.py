"""AdmissionReview, `admission.k8s.io/v1`: what the API server asks, and what it is answered."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct, field

from sidecar.errors import InvalidInput
from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.injection import Injection, Outcome, inject
from sidecar.ops.injecting.pod import Pod

_VERSION, _KIND = "admission.k8s.io/v1", "AdmissionReview"


class Resource(Struct):
    """What kind of thing is asked about."""

    group: str = ""
    version: str = ""
    resource: str = ""


class Request(Struct, rename="camel"):
    """The question, as far as it matters."""

    uid: str
    operation: str = ""
    resource: Resource = field(default_factory=Resource)
    sub_resource: str = ""
    namespace: str = ""
    dry_run: bool | None = None
    object: Raw = field(default_factory=Raw)


class Review(Struct, rename="camel"):
    """The question in its envelope."""

    api_version: str = ""
    kind: str = ""
    request: Request | None = None


class Verdict(NamedTuple):
    """What was decided about which pod, and the answer in its envelope."""

    injection: Injection
    answer: bytes
    facts: dict[str, Any]


def reviewed(body: bytes, declared: Declared) -> Verdict:
    """Answer a question; the pod is always allowed.

    Raises:
        InvalidInput: it is none that this version understands.
    """
    request = _request(body)
    pod = Pod()
    if _is_new_pod(request):
        try:
            pod = msgspec.json.decode(request.object, type=Pod)
            injection = inject(pod, declared)
        except (msgspec.DecodeError, RecursionError) as error:
            injection = Injection(Outcome.INVALID, [], [f"no learning sidecar: the pod cannot be read: {error}"])
    else:
        injection = Injection(Outcome.NOT_A_NEW_POD, [], [])
    facts: dict[str, Any] = {
        "uid": request.uid,
        "namespace": request.namespace,
        "pod": pod.name,
        "outcome": str(injection.outcome),
    }
    facts |= {"dry_run": bool(request.dry_run), "warnings": injection.warnings}
    return Verdict(injection, _answer(request.uid, injection), facts)


def _request(body: bytes) -> Request:
    try:
        review = msgspec.json.decode(body, type=Review)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput("body", str(error), f"one {_KIND} of {_VERSION} as JSON") from error
    if (review.api_version, review.kind) != (_VERSION, _KIND):
        raise InvalidInput("apiVersion, kind", f"{review.api_version}, {review.kind}", f"{_VERSION}, {_KIND}")
    if review.request is None:
        raise InvalidInput("request", None, "the question")
    return review.request


def _is_new_pod(request: Request) -> bool:
    one = request.resource
    return (request.operation, one.group, one.version, one.resource, request.sub_resource) == (
        "CREATE", "", "v1", "pods", "",
    )  # fmt: skip


def _answer(uid: str, injection: Injection) -> bytes:
    response: dict[str, Any] = {"uid": uid, "allowed": True, "auditAnnotations": {"outcome": str(injection.outcome)}}
    if injection.operations:
        patch = base64.b64encode(msgspec.json.encode(injection.operations)).decode()
        response |= {"patchType": "JSONPatch", "patch": patch}
    if injection.warnings:
        response["warnings"] = injection.warnings
    return msgspec.json.encode({"apiVersion": _VERSION, "kind": _KIND, "response": response})
