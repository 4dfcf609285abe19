package io.github.learningsidecar;

import io.github.learningsidecar.v1.LearningGrpc;
import io.github.learningsidecar.v1.Mode;
import io.github.learningsidecar.v1.RecommendOutcome;
import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.RecommendResponse;
import io.github.learningsidecar.v1.ReleaseOutcome;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.ReleaseResponse;
import io.github.learningsidecar.v1.RewardOutcome;
import io.github.learningsidecar.v1.RewardRequest;
import io.github.learningsidecar.v1.RewardResponse;
import io.github.learningsidecar.v1.Source;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;

/** A real gRPC server on loopback that records every request, and waits, fails or answers as it is told. */
final class ScriptedSidecar implements AutoCloseable {
    static final long EXPIRES_AT_UNIX_MS = 4_102_444_800_000L;

    final List<RecommendRequest> recommends = new CopyOnWriteArrayList<>();
    final List<RewardRequest> rewards = new CopyOnWriteArrayList<>();
    final List<ReleaseRequest> releases = new CopyOnWriteArrayList<>();
    final List<Metadata> headers = new CopyOnWriteArrayList<>();
    final Queue<Status> failures = new ConcurrentLinkedQueue<>();
    volatile Duration delay = Duration.ZERO;
    volatile UnaryOperator<RecommendResponse> answer = UnaryOperator.identity();

    private final Server server;

    ScriptedSidecar() throws IOException {
        this(0);
    }

    ScriptedSidecar(int port) throws IOException {
        server =
                NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port))
                        .addService(new Service())
                        .intercept(new Recorder())
                        .build()
                        .start();
    }

    int port() {
        return server.getPort();
    }

    LearningClientBuilder client() {
        // Ample, so that a machine that stands still for a moment is no outage.
        return LearningClient.builder().address("127.0.0.1:" + port()).timeout(Duration.ofSeconds(5));
    }

    @Override
    public void close() {
        try {
            server.shutdownNow().awaitTermination();
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
        }
    }

    private final class Service extends LearningGrpc.LearningImplBase {
        @Override
        public void recommend(RecommendRequest request, StreamObserver<RecommendResponse> reply) {
            recommends.add(request);
            String arm = request.getCandidates(request.getCandidatesCount() - 1).getArm();
            RecommendResponse chosen =
                    RecommendResponse.newBuilder()
                            .setArm(arm)
                            .setOutcome(RecommendOutcome.RECOMMEND_OUTCOME_CHOSEN)
                            .setDecisionId(request.getDecisionId())
                            .setPropensity(0.75)
                            .setBaseline(request.getCandidates(0).getArm())
                            .setProposal(arm)
                            .setMode(Mode.MODE_UNGATED)
                            .setSource(Source.SOURCE_LEARNED)
                            .setExpiresAtUnixMs(EXPIRES_AT_UNIX_MS)
                            .build();
            respond(reply, answer.apply(chosen));
        }

        @Override
        public void reward(RewardRequest request, StreamObserver<RewardResponse> reply) {
            rewards.add(request);
            RewardOutcome outcome =
                    request.getMoreToCome()
                            ? RewardOutcome.REWARD_OUTCOME_COLLECTED
                            : RewardOutcome.REWARD_OUTCOME_APPLIED;
            respond(reply, RewardResponse.newBuilder().setOutcome(outcome).setReward(0.5).build());
        }

        @Override
        public void release(ReleaseRequest request, StreamObserver<ReleaseResponse> reply) {
            releases.add(request);
            respond(
                    reply,
                    ReleaseResponse.newBuilder().setOutcome(ReleaseOutcome.RELEASE_OUTCOME_RELEASED).build());
        }

        private <T> void respond(StreamObserver<T> reply, T message) {
            try {
                Thread.sleep(delay.toMillis());
            } catch (InterruptedException stopping) {
                Thread.currentThread().interrupt();
            }
            Status failure = failures.poll();
            if (failure != null) {
                reply.onError(failure.asRuntimeException());
            } else {
                reply.onNext(message);
                reply.onCompleted();
            }
        }
    }

    private final class Recorder implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata received, ServerCallHandler<Q, A> next) {
            if (LearningGrpc.SERVICE_NAME.equals(call.getMethodDescriptor().getServiceName())) {
                headers.add(received);
            }
            return next.startCall(call, received);
        }
    }
}
