package io.github.learningsidecar;

import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.RecommendResponse;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.ReleaseResponse;
import io.github.learningsidecar.v1.RewardRequest;
import io.github.learningsidecar.v1.RewardResponse;
import io.grpc.StatusRuntimeException;

/**
 * The three calls that a client makes: over gRPC, or in the memory of a test. Apps have no need of it.
 *
 * <p>Each call answers or throws {@link StatusRuntimeException}; what that means for the app is the client's affair.
 */
public interface Sidecar extends AutoCloseable {
    /**
     * Chooses one of the candidates.
     *
     * @param request what is asked
     * @return the answer
     * @throws StatusRuntimeException there is none
     */
    RecommendResponse recommend(RecommendRequest request);

    /**
     * Takes a report.
     *
     * @param request what happened
     * @return what became of it
     * @throws StatusRuntimeException no answer came
     */
    RewardResponse reward(RewardRequest request);

    /**
     * Takes a decision back.
     *
     * @param request which one
     * @return what became of it
     * @throws StatusRuntimeException no answer came
     */
    ReleaseResponse release(ReleaseRequest request);

    /** Gives up the connection; later calls fail. */
    @Override
    void close();
}
