package io.github.learningsidecar;

/** What became of a reward. */
public enum RewardOutcome {
    /** The statistics, the averages and the budget were updated. */
    APPLIED,
    /** The decision was settled before; nothing changed. */
    DUPLICATE,
    /** The decision had expired or was released: nothing was learned; a reported cost was booked. */
    LATE,
    /** The sidecar knows no such decision; nothing changed. */
    UNKNOWN,
    /** A partial report was kept; the decision is still open. */
    COLLECTED,
    /** The sidecar's store is away: the report is on its disk, and is applied once when the store is back. */
    SPOOLED,
    /** Nothing was sent, or no answer came back in time. Sending it again is safe. */
    UNSENT,
    /** What a newer sidecar says that this client does not know yet. */
    UNSPECIFIED
}
