"""JSON Patch and reviews, written anew, so that the tests do not believe what they test."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.review import reviewed

Document = dict[str, Any]


def review(pod: object, **changes: Any) -> Document:
    """Ask as an API server does."""
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "app-1", "namespace": "default", "operation": "CREATE", "userInfo": {"username": "a"},
        "object": pod, "oldObject": None, "dryRun": False, "options": {"apiVersion": "meta.k8s.io/v1"},
    }  # fmt: skip
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | changes}


def answer(pod: object, declared: Declared | None = None, **changes: Any) -> Document:
    """Have a pod reviewed; the answer without its envelope."""
    found = json.loads(reviewed(json.dumps(review(pod, **changes)).encode(), declared or Declared()).answer)
    assert (found["apiVersion"], found["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: Document = found["response"]
    assert response["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    assert response["allowed"] is True
    return response


def operations(response: Document) -> list[Document]:
    """The patch of an answer."""
    assert ("patch" in response) == ("patchType" in response)
    return json.loads(base64.b64decode(response["patch"], validate=True)) if "patch" in response else []  # type: ignore[no-any-return]


def patched(pod: Document, patch: list[Document]) -> Document:
    """Carry out a patch, and see that every operation adds: a member that was not there, or one more of a list."""
    result = copy.deepcopy(pod)
    for one in patch:
        assert set(one) == {"op", "path", "value"}
        assert one["op"] == "add"
        *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in one["path"].split("/")[1:]]
        at: Any = result
        for step in steps:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list):
            at.insert(len(at) if last == "-" else int(last), one["value"])
        else:
            assert at.get(last) is None, f"{one['path']} is replaced"
            at[last] = one["value"]
    return result


def injected(pod: Document, declared: Declared | None = None) -> Document:
    """A pod as it is after the webhook."""
    return patched(pod, operations(answer(pod, declared)))


def sidecar_of(pod: Document) -> Document:
    """The sidecar's container, which there is once."""
    everything = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    (found,) = [one for one in everything if one["name"] == "learning-sidecar"]
    return found  # type: ignore[no-any-return]
