package io.github.learningsidecar;

import com.google.protobuf.Empty;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.RecommendResponse;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.ReleaseResponse;
import io.github.learningsidecar.v1.RewardRequest;
import io.github.learningsidecar.v1.RewardResponse;
import io.github.learningsidecar.v1.ShieldAction;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Does beforehand what a JVM does slowly the first time: it loads the classes of a call and makes the connection.
 *
 * <p>The call is the one of gRPC's health protocol, which changes nothing and is not counted as a decision. What is
 * answered does not matter: an error is a sign of life too, and nobody at home is found out later.
 */
final class WarmUp {
    static final String HEALTH_SERVICE = "grpc.health.v1.Health";

    // The first call loads classes, the second goes the way that all others will.
    private static final int CALLS = 2;
    // An empty request asks for the whole server; the answer has one field, which is of no interest.
    private static final MethodDescriptor<Empty, Empty> CHECK =
            MethodDescriptor.<Empty, Empty>newBuilder()
                    .setType(MethodDescriptor.MethodType.UNARY)
                    .setFullMethodName(MethodDescriptor.generateFullMethodName(HEALTH_SERVICE, "Check"))
                    .setRequestMarshaller(ProtoUtils.marshaller(Empty.getDefaultInstance()))
                    .setResponseMarshaller(ProtoUtils.marshaller(Empty.getDefaultInstance()))
                    .build();

    private WarmUp() {}

    static void run(Channel channel, Duration atMost) {
        long nanos = TimeUnit.NANOSECONDS.convert(atMost);
        CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(nanos, TimeUnit.NANOSECONDS);
        try {
            rehearse();
            for (int i = 0; i < CALLS; i++) {
                ClientCalls.blockingUnaryCall(channel, CHECK, options, Empty.getDefaultInstance());
            }
        } catch (StatusRuntimeException error) {
            System.getLogger(SparseLog.NAME).log(Level.DEBUG, "no sign of health from the sidecar", error);
        }
    }

    /** Goes once through everything of a decision but the wire. */
    private static void rehearse() {
        try (LearningClient client = new LearningClient("default", "main", new Rehearsal())) {
            DecisionOptions options = DecisionOptions.with().context("any", 1).costCeilingUsd("any", 1);
            client.learn("any", List.of("any"), options, arm -> arm, result -> Signals.with().quality(1));
        }
    }

    /** Takes messages apart and puts them together, as the wire would. */
    private static final class Rehearsal implements Sidecar {
        @Override
        public RecommendResponse recommend(RecommendRequest request) {
            RecommendResponse.Builder answer = RecommendResponse.newBuilder().setArm("any").setExpiresAtUnixMs(1);
            return passed(answer.addShields(ShieldAction.getDefaultInstance()).build(), request);
        }

        @Override
        public RewardResponse reward(RewardRequest request) {
            return passed(RewardResponse.newBuilder().setReward(1).build(), request);
        }

        @Override
        public ReleaseResponse release(ReleaseRequest request) {
            return passed(ReleaseResponse.getDefaultInstance(), request);
        }

        @Override
        public void close() {
            // Nothing is open.
        }

        private static <A extends MessageLite> A passed(A answer, MessageLite request) {
            try {
                request.getParserForType().parseFrom(request.toByteArray());
                @SuppressWarnings("unchecked") // a message's parser makes messages of its class
                A read = (A) answer.getParserForType().parseFrom(answer.toByteArray());
                return read;
            } catch (InvalidProtocolBufferException error) {
                throw new IllegalStateException(error);
            }
        }
    }
}
