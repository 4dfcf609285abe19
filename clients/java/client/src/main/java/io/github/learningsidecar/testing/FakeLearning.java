package io.github.learningsidecar.testing;

import io.github.learningsidecar.LearningClient;
import java.util.List;

/**
 * A client without a sidecar, for the tests of an app. It is a {@link LearningClient}: only the wire is replaced, so
 * blocks, timing and reports are the real thing.
 *
 * <pre>{@code
 * FakeLearning fake = new FakeLearning(Chooser.last());
 * new App(fake).handle(question);
 * assertEquals("large", fake.rewards().get(0).arm());
 * }</pre>
 */
public final class FakeLearning extends LearningClient {
    private final InMemorySidecar sidecar;

    /** Makes a fake that always chooses the first candidate. */
    public FakeLearning() {
        this(Chooser.first());
    }

    /**
     * Makes a fake.
     *
     * @param chooser says what is answered; when it names no candidate, {@code decide} throws {@link
     *     IllegalArgumentException}
     */
    public FakeLearning(Chooser chooser) {
        this(new InMemorySidecar(chooser));
    }

    private FakeLearning(InMemorySidecar sidecar) {
        super("default", "main", sidecar);
        this.sidecar = sidecar;
    }

    /**
     * Plays the sidecar as missing, to see the app fall back.
     *
     * @param away whether it is missing from here on
     */
    public void away(boolean away) {
        sidecar.away(away);
    }

    /**
     * Returns every reward that came so far, in order.
     *
     * @return a copy
     */
    public List<FakeReward> rewards() {
        return sidecar.rewards();
    }

    /**
     * Returns the ids of the decisions that were released so far, in order.
     *
     * @return a copy
     */
    public List<String> released() {
        return sidecar.released();
    }
}
