"""The Python client of Learning Sidecar: ask which arm to use, act, report what happened.

`LearningClient` for code that blocks, `AsyncLearningClient` for asyncio, `learning_client.testing` for the tests of
the app. The sidecar is never in the app's way: without it, the first candidate is used.
"""

from learning_client._async_client import AsyncDecisionBlock, AsyncLearningClient
from learning_client._client import DecisionBlock, LearningClient
from learning_client._decision import Decision, ShieldAction
from learning_client._learning import Learned, Refused, Scored
from learning_client._observations import Observations
from learning_client._requests import DecisionOptions
from learning_client._results import Contribution, ReleaseResult, RewardResult
from learning_client._security import Tls
from learning_client._signals import SignalValues
from learning_client._terms import Mode, OnError, ReleaseOutcome, RewardOutcome, Shield, ShieldEffect, Source

__version__ = "0.1.0"

__all__ = [
    "AsyncDecisionBlock",
    "AsyncLearningClient",
    "Contribution",
    "Decision",
    "DecisionBlock",
    "DecisionOptions",
    "Learned",
    "LearningClient",
    "Mode",
    "Observations",
    "OnError",
    "Refused",
    "ReleaseOutcome",
    "ReleaseResult",
    "RewardOutcome",
    "RewardResult",
    "Scored",
    "Shield",
    "ShieldAction",
    "ShieldEffect",
    "SignalValues",
    "Source",
    "Tls",
]
