"""Money for decisions while the store is away: a lease that was taken before, and what was spent of it since.

    wanted -> Lease (to the store) -> granted        spend ... spend -> reported with the next Lease

What was spent is reported once, under a number, until the store has taken it. A purse is closed some time before the
store lets its lease lapse; what is in it then counts as spent there.
"""

from __future__ import annotations

from sidecar.clock import Clock
from sidecar.engine.learner import Learner
from sidecar.model.units import nano_usd
from sidecar.store.leasing import Lease

_HOLDS_S = 600.0
_CLOSES_S = 0.9 * _HOLDS_S
_RENEW_S = _HOLDS_S / 10


class Purse:
    """What one sidecar may spend in one domain without asking.

    Args:
        learner: of the domain.
        sidecar: names this sidecar in the store; of its own for each run of it.
        clock: tells when the lease ends.
    """

    def __init__(self, learner: Learner, sidecar: str, clock: Clock) -> None:
        """Start empty."""
        self._learner, self._sidecar, self._clock = learner, sidecar, clock
        self._granted_nano = 0
        self._spent_nano = 0
        self._closes_at = self._renewed_at = float("-inf")
        self._report: Lease | None = None
        self._reports = 0

    @property
    def available_nano(self) -> int:
        """So many nano-dollars may be spent now."""
        if self._clock.monotonic() >= self._closes_at:
            return 0
        reported = self._report.spent_nano if self._report else 0
        return self._granted_nano - self._spent_nano - reported

    def spend(self, nano: int) -> None:
        """Note that a decision may cost so many nano-dollars, at most what is available."""
        self._spent_nano += nano

    def report(self, *, last: bool = False) -> Lease | None:
        """What the store is to be told and asked for now; None when nothing is due. `last` gives everything back."""
        wanted = 0 if last else self._wanted_nano()
        if self._report is None and (self._granted_nano > 0 if last else self._due(wanted)):
            self._reports += 1
            self._report = self._lease(wanted)
            self._spent_nano = 0
        return self._report

    def granted(self, nano: int, asked_at: float) -> None:
        """The store has taken the report, and set so many nano-dollars aside; asked at that moment of the clock."""
        self._report = None
        self._granted_nano = nano
        self._renewed_at = asked_at
        self._closes_at = asked_at + _CLOSES_S

    def _due(self, wanted: int) -> bool:
        if not wanted and not self._granted_nano:
            return False
        changed = self._spent_nano > 0 or not wanted or not self._granted_nano
        return changed or self._clock.monotonic() - self._renewed_at > _RENEW_S

    def _wanted_nano(self) -> int:
        return nano_usd(self._learner.settings.budget.lease_usd) if self._learner.limited else 0

    def _lease(self, wanted: int) -> Lease:
        return Lease(
            self._learner.scope, self._sidecar, self._reports, self._spent_nano, wanted, round(_HOLDS_S * 1000),
            *self._learner.levels,
        )  # fmt: skip
