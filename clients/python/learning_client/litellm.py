"""LiteLLM's Router with the sidecar choosing the model: `pip install "learning-sidecar-client[litellm]"`.

router = litellm.Router(model_list=[...])  # deployments of one `model_name`; the first is the baseline
LearningStrategy(router, domain="route", score=grade).install()
answer = await router.acompletion("chat", messages)  # or router.completion
"""

from __future__ import annotations

import inspect
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.litellm_core_utils.asyncify import run_async_function
from litellm.types.router import CustomRoutingStrategyBase

from learning_client._async_client import AsyncLearningClient
from learning_client._client import LearningClient
from learning_client._decision import Decision
from learning_client._learning import Refused, Scored
from learning_client._log import SparseLog
from learning_client._requests import DecisionOptions
from learning_client._terms import OnError

__all__ = ["LearningStrategy"]

Record = dict[str, Any]
"""What LiteLLM knows of a deployment, a request or a call."""
Score = Callable[[Any, Record], Scored | Awaitable[Scored]]
"""Takes the response and LiteLLM's record of the call (`messages`, `response_cost`, ...); tells the signals."""
AnyClient = Any
"""A `LearningClient` or an `AsyncLearningClient`."""
Sent = Any
"""What their methods give: a result, or something to await."""
Signals = dict[str, Any]
"""Signals by name; the client leaves out what is no number."""
Options = Callable[[Any], DecisionOptions]
"""Takes the messages, None where the call has none; tells context, cost ceilings, ..., but no decision_id."""

METADATA = "learning"
"""Where the request's metadata, and so every other logger, has `domain`, `decision_id`, `arm` and `propensity`."""


class LearningStrategy(CustomLogger, CustomRoutingStrategyBase):  # type: ignore[misc]  # LiteLLM's types are not read
    """Chooses among the deployments that LiteLLM finds healthy, and reports how each attempt ended.

    An arm is a model (`litellm_params.model`); deployments of the same model share its load at random. Each attempt is
    a decision of its own, so a retry may take another model. Every call of the router is decided in one domain.
    """

    def __init__(
        self,
        router: litellm.Router,
        domain: str = "route",
        *,
        client: LearningClient | None = None,
        async_client: AsyncLearningClient | None = None,
        score: Score | None = None,
        options: Options | None = None,
        on_error: str = "worst",
        keep_open: bool = False,
    ) -> None:
        """Prepare a strategy; `install` puts it in force.

        Args:
            router: Where the deployments are.
            domain: The kind of decision.
            client: Serves `completion` and its like. None: one that `LEARNING_ADDRESS` leads to the sidecar.
            async_client: Serves `acompletion` and its like; likewise.
            score: Tells the quality of a response, after it was returned. Awaitable scores are for async calls.
            options: Tells what the decision depends on.
            on_error: What is reported of an attempt that fails, see `OnError`.
            keep_open: Await feedback beside what is reported here: `client.reward(metadata["learning"]["decision_id"],
                domain=..., quality=...)`, with the dict that the call was given as `metadata`.

        Raises:
            ValueError: The rule `on_error` does not exist.
        """
        super().__init__()
        self._router = router
        self._domain = domain
        self._client = client or LearningClient()
        self._async_client = async_client or AsyncLearningClient()
        self._score = score
        self._options = options
        self._on_error = OnError(on_error)
        self._keep_open = keep_open
        self._log = SparseLog()
        # LiteLLM takes two loggers of a class for one and the same, unless a public attribute tells them apart.
        self.identity = uuid.uuid4().hex

    def install(self) -> Self:
        """Let the router choose, and LiteLLM report, by this strategy."""
        self._router.set_custom_routing_strategy(self)
        litellm.logging_callback_manager.add_litellm_callback(self)
        return self

    async def async_get_available_deployment(
        self, model: str, request_kwargs: Record | None = None, **call: object
    ) -> Record:
        """Choose for an async call; raises `Refused` when no model is affordable, and what LiteLLM raises."""
        request = {} if request_kwargs is None else request_kwargs
        of_router = self._router.async_get_healthy_deployments
        arms = _by_arm(await of_router(model=model, request_kwargs=request, **call))
        if len(arms) == 1 or request_kwargs is None:  # nothing to choose, or no place to leave word of it
            _forget(request)
            return _one_of(next(iter(arms.values())))
        decision = await self._async_client.recommend(self._domain, list(arms), **self._asked(call))
        return _one_of(arms[self._executed(decision, request)])

    def get_available_deployment(self, model: str, request_kwargs: Record | None = None, **call: object) -> Record:
        """Choose for a sync call, likewise. The router, too, runs its async parts so."""
        request = {} if request_kwargs is None else request_kwargs
        of_router = self._router.async_get_healthy_deployments
        arms = _by_arm(run_async_function(of_router, model=model, request_kwargs=request, **call))
        if len(arms) == 1 or request_kwargs is None:  # nothing to choose, or no place to leave word of it
            _forget(request)
            return _one_of(next(iter(arms.values())))
        decision = self._client.recommend(self._domain, list(arms), **self._asked(call))
        return _one_of(arms[self._executed(decision, request)])

    def _asked(self, call: Record) -> DecisionOptions:
        return self._options(call.get("messages")) if self._options else {}

    def _executed(self, decision: Decision, request: Record) -> str:
        """Return the arm, and leave word of the decision in the request's metadata."""
        if decision.refused:
            raise Refused(decision)
        # Where `metadata` is a parameter of the provider's own API, LiteLLM keeps its own under the longer name.
        key = "litellm_metadata" if "litellm_metadata" in request else "metadata"
        of_caller = request.get(key)
        if of_caller is None:
            of_caller = {}
        of_caller.pop(METADATA, None)  # an earlier attempt's
        if decision.recorded or decision.answer_missed:
            of_caller[METADATA] = {
                "domain": decision.domain,
                "decision_id": decision.decision_id,
                "arm": decision.arm,
                "propensity": decision.propensity,
                "answer_missed": decision.answer_missed,
                "strategy": self.identity,
            }
        # Attempts of one request share the caller's dict, and are logged late: each needs a copy of its own.
        request[key] = dict(of_caller)
        return decision.arm

    def log_success_event(self, kwargs: Record, response_obj: object, start_time: datetime, end_time: datetime) -> None:
        """Report a sync call that ended well; LiteLLM calls this in a thread of its own."""
        told = self._told(kwargs)
        if told is not None:
            signals = _observed(kwargs, start_time, end_time)
            if self._score is not None:
                with self._scoring():
                    signals |= _signals(self._score(response_obj, kwargs))
            self._report(self._client, told, signals, more_to_come=self._keep_open)

    async def async_log_success_event(
        self, kwargs: Record, response_obj: object, start_time: datetime, end_time: datetime
    ) -> None:
        """Report an async call that ended well; LiteLLM calls this after the answer was returned."""
        told = self._told(kwargs)
        if told is not None:
            signals = _observed(kwargs, start_time, end_time)
            if self._score is not None:
                with self._scoring():
                    scored = self._score(response_obj, kwargs)
                    signals |= _signals(await scored if inspect.isawaitable(scored) else scored)
            await self._report(self._async_client, told, signals, more_to_come=self._keep_open)

    def log_failure_event(self, kwargs: Record, response_obj: object, start_time: datetime, end_time: datetime) -> None:
        """Report an attempt of a sync call that failed, as `on_error` says."""
        del response_obj  # there is none
        told = self._told(kwargs, failed=True)
        if told is not None:
            self._report(self._client, told, self._blamed(kwargs, start_time, end_time))

    async def async_log_failure_event(
        self, kwargs: Record, response_obj: object, start_time: datetime, end_time: datetime
    ) -> None:
        """Report an attempt of an async call that failed, likewise."""
        del response_obj  # there is none
        told = self._told(kwargs, failed=True)
        if told is not None:
            await self._report(self._async_client, told, self._blamed(kwargs, start_time, end_time))

    def _told(self, call: Record, *, failed: bool = False) -> Record | None:
        """Find the word that was left of a decision, if it is this strategy's and its end is to be reported.

        LiteLLM logs every call to every strategy, those of other routers too.
        """
        of_call = call.get("litellm_params") or {}
        for key in ("litellm_metadata", "metadata"):
            told = (of_call.get(key) or {}).get(METADATA)
            if isinstance(told, dict) and told.get("strategy") == self.identity:
                ignored = failed and self._on_error is OnError.IGNORE and not told["answer_missed"]
                return None if ignored else told
        return None

    @contextmanager
    def _scoring(self) -> Iterator[None]:
        """Survive a scorer that fails: what was observed is worth reporting all the same."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # a foreign function may raise anything; it is logged
            self._log.note(
                "score", "could not score a call of %s, so its signals are missing", self._domain, cause=error
            )

    def _blamed(self, call: Record, start: datetime, end: datetime) -> Signals | None:
        return _observed(call, start, end) | {"reward": 0.0} if self._on_error is OnError.WORST else None

    def _report(self, client: AnyClient, told: Record, signals: Signals | None, *, more_to_come: bool = False) -> Sent:
        """Send signals, or without any give the decision back; of the async client, gives what is to be awaited."""
        # An answer that was missed may have left a decision behind on which nobody acted.
        if signals is None or told["answer_missed"]:
            return client.release(told["decision_id"], domain=self._domain)
        return client.reward(told["decision_id"], domain=self._domain, more_to_come=more_to_come, **signals)


def _by_arm(healthy: list[Record] | Record) -> dict[str, list[Record]]:
    """Group deployments by model, in the order of the router; a single one was asked for by its name."""
    arms: dict[str, list[Record]] = {}
    for deployment in [healthy] if isinstance(healthy, dict) else healthy:
        arms.setdefault(deployment["litellm_params"]["model"], []).append(deployment)
    return arms


def _forget(request: Record) -> None:
    """Take back the word of an earlier attempt: what comes now is not its decision's."""
    for key in ("litellm_metadata", "metadata"):
        of_caller = request.get(key)
        if isinstance(of_caller, dict):
            of_caller.pop(METADATA, None)
            request[key] = dict(of_caller)


def _one_of(deployments: list[Record]) -> Record:
    return random.choice(deployments)  # noqa: S311  # spreads load; nobody gains by guessing it


def _observed(call: Record, start: datetime, end: datetime) -> Signals:
    return {"latency_ms": (end - start).total_seconds() * 1_000, "cost_usd": call.get("response_cost")}


def _signals(scored: object) -> Signals:
    return dict(scored) if isinstance(scored, Mapping) else {"quality": scored}
