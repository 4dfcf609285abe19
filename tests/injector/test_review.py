"""Goal: whatever is sent, the answer is a verdict or a clear refusal. Method: reviews, and what is none."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest

from sidecar.errors import InvalidInput
from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.instruments import InjectorMetrics
from sidecar.ops.injecting.review import reviewed
from sidecar.ops.injecting.serving import Injector
from tests.injector.patching import answer, operations, review
from tests.injector.pods import annotated, pod


def test_a_dry_run_is_answered_like_any_other() -> None:
    """There are no side effects that it could spare."""
    assert operations(answer(pod(), dryRun=True)) == operations(answer(pod())) != []


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": "UPDATE"},
        {"operation": "UPDATE", "subResource": "ephemeralcontainers"},
        {"operation": "DELETE", "object": None},
        {"operation": "CREATE", "subResource": "binding"},
        {"resource": {"group": "apps", "version": "v1", "resource": "deployments"}},
        {"resource": {"group": "", "version": "v2", "resource": "pods"}},
    ],
)
def test_only_new_pods_are_changed(changes: dict[str, Any]) -> None:
    """Everything else is let pass, whoever misconfigured the webhook."""
    response = answer(pod(), **changes)
    assert operations(response) == []
    assert response["auditAnnotations"] == {"outcome": "not_a_new_pod"}


@pytest.mark.parametrize(
    "strange", [None, [], 7, {"spec": []}, {"spec": {"containers": "x"}}, {"metadata": 1, "spec": {}}]
)
def test_a_pod_that_cannot_be_read_is_let_pass(strange: object) -> None:
    """With a warning: whether it is a pod is not ours to judge."""
    response = answer(strange)
    assert operations(response) == []
    assert "the pod cannot be read" in response["warnings"][0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 100_000, "body"),
        (b"[]", "body"),
        (b"{}", "apiVersion, kind"),
        (json.dumps(review(pod()) | {"apiVersion": "admission.k8s.io/v1beta1"}).encode(), "admission.k8s.io/v1beta1"),
        (json.dumps(review(pod()) | {"kind": "ConversionReview"}).encode(), "ConversionReview"),
        (json.dumps(review(pod()) | {"request": None}).encode(), "request"),
        (json.dumps(review(pod()) | {"request": {"operation": "CREATE"}}).encode(), "uid"),
    ],
)
def test_what_is_no_review_is_refused(body: bytes, said: str) -> None:
    """With 400 and what is wrong, so that a webhook of another version is noticed."""
    with pytest.raises(InvalidInput, match=said):
        reviewed(body, Declared())
    status, text = Injector(Declared(), InjectorMetrics()).answer(body)

    assert status is HTTPStatus.BAD_REQUEST
    assert said in json.loads(text)["error"]


def test_a_mistake_of_ours_is_an_error_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server then does what its failurePolicy says, and learns nothing of the inside."""
    monkeypatch.setattr("sidecar.ops.injecting.serving.reviewed", lambda *_: 1 / 0)
    status, text = Injector(Declared(), InjectorMetrics()).answer(b"{}")

    assert (status, text) == (HTTPStatus.INTERNAL_SERVER_ERROR, b'{"error": "internal"}')


def test_outcomes_are_counted() -> None:
    """By what became of each pod."""
    metrics = InjectorMetrics()
    injector = Injector(Declared(), metrics)
    for one in (pod(), pod(), annotated(wait="maybe")):
        injector.answer(json.dumps(review(one)).encode())

    assert metrics.reviews.counts == {("injected",): 2, ("invalid",): 1}
    assert sum(metrics.seconds.counts) == 3


def test_a_warning_fits_and_holds_no_password() -> None:
    """An API server cuts warnings; and who writes a URL where a name belongs shall not find it in logs."""
    (warning,) = answer(annotated(redis_secret="redis://user:pass@host"))["warnings"]  # noqa: S106 - the mistake
    assert "pass@" not in warning
    (long,) = answer(annotated(image="x " * 5000))["warnings"]
    assert len(long) < 256
