package io.github.learningsidecar;

/** No candidate is affordable and the domain declares that then none is executed; the act was not called. */
public final class RefusedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient Decision decision;

    RefusedException(Decision decision) {
        super("no candidate of " + decision.domain() + " is affordable, so none was executed");
        this.decision = decision;
    }

    /**
     * Returns the decision, whose {@link Decision#shields} say what was not affordable.
     *
     * @return the decision; null only in an exception that was deserialized
     */
    public Decision decision() {
        return decision;
    }
}
