package io.github.learningsidecar;

/** What became of a release. */
public enum ReleaseOutcome {
    /** The reserved money was given back. */
    RELEASED,
    /** The decision was settled, released or expired before; nothing changed. */
    ALREADY_CLOSED,
    /** The sidecar's store is away: the release is on its disk, and is carried out when the store is back. */
    SPOOLED,
    /** The sidecar knows no such decision; nothing changed. */
    UNKNOWN,
    /** Nothing was sent, or no answer came back in time. Sending it again is safe. */
    UNSENT,
    /** What a newer sidecar says that this client does not know yet. */
    UNSPECIFIED
}
