package io.github.learningsidecar;

import io.grpc.Context;
import java.util.concurrent.CancellationException;

/**
 * A decision that reports when it is closed: what {@code try} with {@link LearningClient#decide(String,
 * java.util.List)} holds.
 *
 * <p>Java does not tell {@link #close} whether the block threw. So a block counts as successful when it said so: by
 * {@link #observe}, {@link #keepOpen} or {@link #succeed}. Without any of them its act is taken as failed, and {@link
 * DecisionOptions#onError} says what is reported. Observe last, or call {@link #failed} where you catch; or
 * use {@link LearningClient#decide(String, java.util.List, DecisionOptions, Act)}, which sees the exception itself.
 */
public final class OpenDecision extends Decision implements AutoCloseable {
    /** How the act ended, as far as is known. */
    enum Ending {
        UNSAID,
        SUCCEEDED,
        FAILED,
        /** Something outside the act ended it, which says nothing about the arm. */
        STOPPED
    }

    private final LearningClient client;
    private final OnError onError;
    private Ending ending = Ending.UNSAID;
    private boolean closed;

    OpenDecision(Answer answer, Observations observations, LearningClient client, OnError onError) {
        super(answer, observations);
        this.client = client;
        this.onError = onError;
        observations.start();
    }

    /** Says that the act succeeded, when there is nothing to observe but how long it took. */
    public synchronized void succeed() {
        ending = Ending.SUCCEEDED;
    }

    /**
     * Says that the act failed, whatever was observed before. To be called where the exception is caught.
     *
     * <p>An interruption, a cancellation or an {@link Error} comes from outside the act and says nothing about the arm:
     * then the decision is released, whatever the rule for errors.
     *
     * @param error what the act threw
     */
    public synchronized void failed(Throwable error) {
        boolean outside =
                error instanceof InterruptedException
                        || error instanceof CancellationException
                        || error instanceof Error
                        || stopped();
        ending = outside ? Ending.STOPPED : Ending.FAILED;
    }

    /** Stops the stopwatch; {@link #close} does so too. For work in the block that is no part of the act. */
    public void stopTiming() {
        observations().stop();
    }

    /** Reports. Blocks for at most the client's time-out, never throws, and does nothing the second time. */
    @Override
    public void close() {
        Ending how;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            how = ending;
        }
        observations().stop();
        client.report(this, how == Ending.UNSAID ? presumed() : how, onError);
    }

    private Ending presumed() {
        if (moreToCome() || !observations().isEmpty()) {
            return Ending.SUCCEEDED;
        }
        return stopped() ? Ending.STOPPED : Ending.UNSAID;
    }

    /** Whether this thread, or the call that it serves, was told to stop. */
    private static boolean stopped() {
        return Thread.currentThread().isInterrupted() || Context.current().isCancelled();
    }
}
