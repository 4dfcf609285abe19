package io.github.learningsidecar;

import io.github.learningsidecar.v1.LearningGrpc;
import io.github.learningsidecar.v1.LearningGrpc.LearningBlockingStub;
import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.RecommendResponse;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.ReleaseResponse;
import io.github.learningsidecar.v1.RewardRequest;
import io.github.learningsidecar.v1.RewardResponse;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** A sidecar over gRPC. A call blocks its thread, for at most the time-out. */
final class GrpcSidecar implements Sidecar {
    private final ManagedChannel channel;
    private final LearningBlockingStub stub;
    private final long timeoutNanos;

    GrpcSidecar(ManagedChannel channel, Metadata headers, Duration timeout) {
        this.channel = channel;
        this.stub =
                LearningGrpc.newBlockingStub(channel)
                        .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers),
                                TraceHeaders.interceptor());
        this.timeoutNanos = TimeUnit.NANOSECONDS.convert(timeout);
    }

    /** Does what a first call needs: loads its classes, connects, and waits for a sign of life. */
    void warmUp(Duration atMost) {
        WarmUp.run(stub.getChannel(), atMost);
    }

    @Override
    public RecommendResponse recommend(RecommendRequest request) {
        return send(timed -> timed.recommend(request));
    }

    @Override
    public RewardResponse reward(RewardRequest request) {
        return deliver(timed -> timed.reward(request));
    }

    @Override
    public ReleaseResponse release(ReleaseRequest request) {
        return deliver(timed -> timed.release(request));
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    /** Sends a report, also when this thread or the call that it serves was told to stop: it must not be lost then. */
    private <T> T deliver(Function<LearningBlockingStub, T> call) {
        boolean interrupted = Thread.interrupted();
        Context undisturbed = Context.current().fork();
        Context before = undisturbed.attach();
        try {
            return send(call);
        } finally {
            undisturbed.detach(before);
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private <T> T send(Function<LearningBlockingStub, T> call) {
        try {
            return call.apply(stub.withDeadlineAfter(timeoutNanos, TimeUnit.NANOSECONDS));
        } catch (StatusRuntimeException error) {
            throw error;
        } catch (RuntimeException error) {
            // Whatever happened in here, the app has its own work to do.
            throw Status.UNKNOWN.withDescription(error.toString()).withCause(error).asRuntimeException();
        }
    }
}
