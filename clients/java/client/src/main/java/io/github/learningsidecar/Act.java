package io.github.learningsidecar;

/**
 * Executes an arm; may fail with an exception of its own, which comes out unchanged.
 *
 * @param <I> what it is given: the decision in {@code decide}, the arm in {@code learn}
 * @param <T> what it returns
 * @param <X> what it throws; inferred as {@link RuntimeException} when nothing is declared
 */
@FunctionalInterface
public interface Act<I, T, X extends Exception> {
    /**
     * Executes the arm.
     *
     * @param input the decision, or its arm
     * @return what the app wants to have of it
     * @throws X whatever the act fails with
     */
    T execute(I input) throws X;
}
