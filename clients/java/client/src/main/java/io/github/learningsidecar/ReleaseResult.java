package io.github.learningsidecar;

/**
 * What became of a release.
 *
 * @param outcome what was done; {@link ReleaseOutcome#UNSENT} when the sidecar did not take it
 * @param reason why it is unsent; empty otherwise
 */
public record ReleaseResult(ReleaseOutcome outcome, String reason) implements Report {

    static ReleaseResult unsent(String reason) {
        return new ReleaseResult(ReleaseOutcome.UNSENT, reason);
    }
}
