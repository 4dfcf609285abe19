"""Capacity and quickness: always so many requests in flight, sent as soon as there is room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving import bodies, usage
from serving.arithmetic import percentile
from serving.bench import Bench
from serving.load import ONE, SIXTEEN, SIXTY_FOUR, Loaded, Shape
from serving.servers import Server, ended

BATCH = 64
BATCHES = Shape(2, 1)  # one is decided while the other is on its way
_LEAST, _FIRST, _WARM = 40, 200, 100
_ALONE = ("redis-py", "bare")  # of interest at one in flight only

UNARY = "Recommend"
BATCHED = f"RecommendBatch of {BATCH}"


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked instead of a server's usual request, how many decisions one is, and in which domain."""

    name: str
    method: str = bodies.RECOMMEND
    body: Path | None = None
    decisions: int = 1
    domain: str = bodies.DOMAIN

    @property
    def usual(self) -> bool:
        """Whether it is the usual request."""
        return self.body is None


USUAL = Ask(UNARY)


class ClosedLoop:
    """Runs closed loops.

    Args:
        bench: what runs.
    """

    def __init__(self, bench: Bench) -> None:
        """Nothing is known of how fast anything is."""
        self._bench = bench
        self._rates: dict[tuple[str, str, Shape], float] = {}
        whole = bodies.batch([bodies.recommend()] * BATCH).SerializeToString()
        self._batch = Ask(BATCHED, bodies.RECOMMEND_BATCH, bench.starts.body("batch", whole), BATCH)

    def round(self) -> None:
        """Every server once, one after another, so that what drifts reaches all of them."""
        servers = self._bench.servers.values()
        shapes = (ONE, SIXTEEN, SIXTY_FOUR) if self._bench.round == 0 or not self._quick else (ONE, SIXTY_FOUR)
        for shape in shapes:
            for server in servers:
                if shape is ONE or not server.name.startswith(_ALONE):
                    self.run(server, shape)
        for transport in self._bench.transports:
            self.run(self._bench.servers[f"ours/{transport}"], BATCHES, self._batch)

    def run(self, server: Server, shape: Shape, ask: Ask = USUAL, *, keep: bool = False) -> Loaded:
        """One load on one server, with everything checked; `keep` leaves in the store what is there."""
        bench = self._bench
        what = f"{ask.name}, {shape}"
        bench.tell(f"{server.name}: {what}")
        if not keep:
            bench.store.empty()
        bench.answers_well(server, f"before {what}")
        self._warmed(server, shape, ask)
        bench.store.forget_statistics()
        recorded = bench.store.decisions(ask.domain)
        requests = max(_LEAST, round(self._rates[server.name, ask.name, shape] * bench.effort.seconds))
        busy, mine = usage.machine(), usage.cpu_s(server.process.pid)
        store = bench.store.cpu_s()
        loaded = self._load(server, shape, ask, requests)
        store, mine = bench.store.cpu_s() - store, usage.cpu_s(server.process.pid) - mine
        slowest, now = bench.store.slowest_us(), usage.machine()
        others = now.busy_s - busy.busy_s - store - mine - loaded.generator_cpu_s
        self._rates[server.name, ask.name, shape] = loaded.rate
        self._check_counts(server, ask, loaded, recorded)
        decided = requests * ask.decisions
        bench.note(
            server.name, what,
            rate=loaded.rate * ask.decisions,
            p50_ms=percentile(loaded.latencies_us, 0.5) / 1000,
            p99_ms=percentile(loaded.latencies_us, 0.99) / 1000,
            cpu_us=mine / decided * 1e6,
            store_cpu_us=store / decided * 1e6,
            slowest_us=slowest,
            others_cpu_share=max(0.0, others) / max(1e-9, now.total_s - busy.total_s),
        )  # fmt: skip
        bench.answers_well(server, f"after {what}")
        return loaded

    @property
    def _quick(self) -> bool:
        return self._bench.effort.name == "quick"

    def _warmed(self, server: Server, shape: Shape, ask: Ask) -> None:
        known = (server.name, ask.name, shape) in self._rates
        loaded = self._load(server, shape, ask, max(_LEAST, (_WARM if known else _FIRST) // ask.decisions))
        self._rates.setdefault((server.name, ask.name, shape), loaded.rate)

    def _load(self, server: Server, shape: Shape, ask: Ask, requests: int) -> Loaded:
        ended(server)
        url = f"http://{server.address}{server.method if ask.usual else ask.method}"
        loaded = self._bench.load.run(url, ask.body or server.body, shape, requests)
        self._bench.check(
            "every request of the load was answered",
            holds=loaded.failed == 0 and len(loaded.latencies_us) == requests,
            detail=f"{server.name}, {ask.name}, {shape}: {loaded.failed} of {requests} failed",
        )
        return loaded

    def _check_counts(self, server: Server, ask: Ask, loaded: Loaded, before: int) -> None:
        bench, expected = self._bench, loaded.requests * ask.decisions
        if server.name.startswith("ratelimit"):
            calls = bench.store.calls("incrby")
            self._counted("the store ran one INCRBY for every request of ratelimit", server, expected, calls)
        if not server.records:
            return
        found = bench.store.decisions(ask.domain) - before
        self._counted("the store has recorded every decision, and none twice", server, expected, found)
        if server.name.startswith("ours"):
            told = server.probe.decisions(ask.domain) - before
            self._counted("the rpc Status counts exactly what the load sent", server, expected, told)

    def _counted(self, name: str, server: Server, expected: int, found: int) -> None:
        self._bench.check(name, holds=found == expected, detail=f"{server.name}: {found} instead of {expected}")
