"""Goal: no pod is damaged. Method: pods as Hypothesis thinks them up, for both kinds of sidecar."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from sidecar.ops.injecting.declared import Declared
from tests.injector.patching import answer, operations, patched

_NAME = st.sampled_from(["app", "b", "c~d", "learning-socket", "learning-data", "LEARNING_ADDRESS", "A"])
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda one: st.lists(one, max_size=2)
)
_UNKNOWN = st.dictionaries(st.sampled_from(["future", "x/y", "é", "~0"]), _ANY, max_size=2)


def _some(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(one, max_size=3)


def _table(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    known = st.fixed_dictionaries(required, optional=optional)
    return st.builds(lambda one, other: {**other, **one}, known, _UNKNOWN)


_ENV = _some(_table({"name": _NAME}, {"value": st.text(max_size=3)}))
_PATHS = st.sampled_from(["/run/learning", "/run/learning/", "/tmp", "/run", "//run//learning"])  # noqa: S108 - in pods
_MOUNTS = _some(_table({"name": _NAME, "mountPath": _PATHS}, {}))
_PORTS = _some(_table({"containerPort": st.sampled_from([80, 19464, 19465])}, {}))
_CONTAINER = _table({"name": _NAME, "image": st.just("i")}, {"env": _ENV, "volumeMounts": _MOUNTS, "ports": _PORTS})
_TEXTS = st.none() | st.dictionaries(
    st.sampled_from(["learning-sidecar/log-level", "learning-sidecar/wait", "learning-sidecar/injected", "a/b"]),
    st.sampled_from(["debug", "false", ""]),
    max_size=3,
)
_METADATA = _table({}, {"name": _NAME, "labels": _TEXTS, "annotations": _TEXTS})
_SPEC = _table(
    {"containers": st.lists(_CONTAINER, min_size=1, max_size=3)},
    {
        "initContainers": _some(_CONTAINER),
        "volumes": _some(_table({"name": _NAME}, {})),
        "hostNetwork": st.none() | st.booleans(),
        "restartPolicy": st.sampled_from(["Always", "Never"]),
        "terminationGracePeriodSeconds": st.none() | st.integers(0, 60),
    },
)
PODS = _table({"spec": _SPEC}, {"metadata": st.none() | _METADATA})
DECLARED = st.sampled_from([Declared(), Declared(native=False), Declared(defaults={"redis-secret": "none"})])


@given(PODS, DECLARED)
def test_a_patch_only_adds_and_a_second_is_empty(pod: dict[str, Any], declared: Declared) -> None:
    """`patched` sees that nothing is replaced; a pod with the sidecar is left alone."""
    before = json.dumps(pod)
    patch = operations(answer(pod, declared))
    after = patched(pod, patch)

    assert json.dumps(pod) == before
    assert _is_within(pod, after)
    if patch:
        assert operations(answer(after, declared)) == []


@given(PODS, DECLARED)
def test_kubernetes_finds_nothing_twice(pod: dict[str, Any], declared: Declared) -> None:
    """Volumes that we add have names of their own, and each container mounts them once: else it would be refused."""
    after = patched(pod, operations(answer(pod, declared)))
    was = [one["name"] for one in pod["spec"].get("volumes") or []]
    added = [one["name"] for one in after["spec"].get("volumes") or []][len(was) :]

    assert len(set(added)) == len(added)
    assert not set(added) & set(was)
    for key in ("containers", "initContainers"):
        for one in after["spec"].get(key) or []:
            ours = [mount for mount in one.get("volumeMounts") or [] if mount["name"] in added]
            assert len(ours) in ((2,) if one["name"] == "learning-sidecar" else (0, 1))


@given(
    st.recursive(
        _ANY, lambda one: st.dictionaries(st.sampled_from(["spec", "metadata", "containers"]), one, max_size=3)
    )
)
def test_no_document_makes_it_fail(strange: Any) -> None:
    """Whatever stands where a pod should: it is allowed, with a warning or without."""
    assert answer(strange)["allowed"]


def _is_within(before: Any, after: Any) -> bool:
    """Whether everything is still there, in its order; where there was null there may be something."""
    if isinstance(before, dict):
        return all(key in after and _is_within(value, after[key]) for key, value in before.items())
    if isinstance(before, list):
        rest = iter(after)
        return all(any(_is_within(one, other) for other in rest) for one in before)
    return before is None or before == after  # type: ignore[no-any-return]  # any documents
