"""The numeric context of a request."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.errors import InvalidInput
from sidecar.model.decision import CONTEXT_FEATURES_MAX
from sidecar.model.names import valid_name
from sidecar.model.units import bounded

FEATURE_MAGNITUDE_MAX = 1e12


def numeric_context(features: Mapping[str, float]) -> dict[str, float]:
    """The features, checked: at most 64, printable names, finite values up to 1e12 in magnitude.

    Raises:
        InvalidInput: names the feature.
    """
    if len(features) > CONTEXT_FEATURES_MAX:
        raise InvalidInput("context", len(features), f"at most {CONTEXT_FEATURES_MAX} features")
    return {
        valid_name("context", name): bounded(
            f"context[{name}]", float(value), -FEATURE_MAGNITUDE_MAX, FEATURE_MAGNITUDE_MAX
        )
        for name, value in features.items()
    }
