package io.github.learningsidecar;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;

/** Says where the sidecar is, and how it is called. Every setting has a default. */
public final class LearningClientBuilder {
    /** Names the sidecar when {@link #address} does not. */
    static final String ADDRESS_VARIABLE = "LEARNING_ADDRESS";

    private static final String ADDRESS_DEFAULT = "127.0.0.1:50051";
    private static final Duration TIMEOUT_DEFAULT = Duration.ofMillis(50);
    private static final Duration WARM_UP_DEFAULT = Duration.ofSeconds(2);
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final Metadata headers = new Metadata();
    private String address = Objects.requireNonNullElse(System.getenv(ADDRESS_VARIABLE), ADDRESS_DEFAULT);
    private Duration timeout = TIMEOUT_DEFAULT;
    private Duration warmUp = WARM_UP_DEFAULT;
    private String tenant = "default";
    private String workspace = "main";
    private ChannelCredentials credentials = InsecureChannelCredentials.create();

    LearningClientBuilder() {}

    /**
     * Says where the sidecar is. Unless said: the environment variable {@code LEARNING_ADDRESS}, and without it {@code
     * 127.0.0.1:50051}.
     *
     * @param address {@code host:port}, or {@code unix:/path} on Linux
     * @return this builder
     */
    public LearningClientBuilder address(String address) {
        this.address = Objects.requireNonNull(address, "the address is null");
        return this;
    }

    /**
     * Says how long any one call to the sidecar may take; 50 ms unless said.
     *
     * @param timeout above 0
     * @return this builder
     */
    public LearningClientBuilder timeout(Duration timeout) {
        this.timeout = Objects.requireNonNull(timeout, "the time-out is null");
        return this;
    }

    /**
     * Says how long {@link #build} may wait for the sidecar's first sign of life; 2 s unless said. A JVM takes some
     * hundred milliseconds to load what a first call needs: then that is done here, and the first decision is in time.
     *
     * @param atMost 0 does nothing beforehand, and the first decisions fall back
     * @return this builder
     */
    public LearningClientBuilder warmUp(Duration atMost) {
        this.warmUp = Objects.requireNonNull(atMost, "the time to warm up is null");
        return this;
    }

    /**
     * Says who asks; {@code default} unless said.
     *
     * @param tenant 1 to 128 printable characters
     * @return this builder
     */
    public LearningClientBuilder tenant(String tenant) {
        this.tenant = Names.name("tenant", tenant);
        return this;
    }

    /**
     * Says which deployment this is, the unit of sharing, budget and snapshot; {@code main} unless said.
     *
     * @param workspace 1 to 128 printable characters
     * @return this builder
     */
    public LearningClientBuilder workspace(String workspace) {
        this.workspace = Names.name("workspace", workspace);
        return this;
    }

    /**
     * Sends a bearer token with every call. Use TLS with it, unless the sidecar is on this machine.
     *
     * @param token as the sidecar's file of tokens has it
     * @return this builder
     * @throws IllegalArgumentException the token is empty, or has a character that is no printable ASCII
     */
    public LearningClientBuilder token(String token) {
        if (Objects.requireNonNull(token, "the token is null").isEmpty()) {
            throw new IllegalArgumentException("the token is empty");
        }
        headers.discardAll(AUTHORIZATION);
        return header(AUTHORIZATION.name(), "Bearer " + token);
    }

    /**
     * Sends a header with every call.
     *
     * @param name its name, in lower case
     * @param value its value, printable ASCII
     * @return this builder
     * @throws IllegalArgumentException the name is no name of a header, or the value has other characters
     */
    public LearningClientBuilder header(String name, String value) {
        Objects.requireNonNull(value, "the value of a header is null");
        if (!value.chars().allMatch(character -> ' ' <= character && character <= '~')) {
            // Without the value, which may be a secret; gRPC itself would leave it out, and log it.
            throw new IllegalArgumentException(
                    "the value of " + name + " must be printable ASCII; does it end with a line break?");
        }
        headers.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value);
        return this;
    }

    /**
     * Speaks TLS with a sidecar whose certificate an authority of one's own has signed.
     *
     * @param authority a PEM file: the certificates that are trusted
     * @return this builder
     * @throws IllegalArgumentException the file cannot be read
     */
    public LearningClientBuilder tls(Path authority) {
        try {
            credentials = TlsChannelCredentials.newBuilder().trustManager(authority.toFile()).build();
        } catch (IOException error) {
            throw new IllegalArgumentException("cannot read the authority " + authority, error);
        }
        return this;
    }

    /**
     * Likewise, and shows a certificate of the app to a sidecar that asks for one.
     *
     * @param authority a PEM file: the certificates that are trusted
     * @param certificate a PEM file: the app's certificate, then those that lead to its authority
     * @param key a PEM file: the certificate's private key, in PKCS #8
     * @return this builder
     * @throws IllegalArgumentException a file cannot be read
     */
    public LearningClientBuilder mutualTls(Path authority, Path certificate, Path key) {
        try {
            credentials =
                    TlsChannelCredentials.newBuilder()
                            .trustManager(authority.toFile())
                            .keyManager(certificate.toFile(), key.toFile())
                            .build();
        } catch (IOException error) {
            throw new IllegalArgumentException(
                    "cannot read one of " + authority + ", " + certificate + " and " + key, error);
        }
        return this;
    }

    /**
     * Uses credentials that gRPC made, such as {@code TlsChannelCredentials.create()} for the authorities of the JVM.
     *
     * @param credentials how the sidecar is trusted
     * @return this builder
     */
    public LearningClientBuilder credentials(ChannelCredentials credentials) {
        this.credentials = Objects.requireNonNull(credentials, "the credentials are null");
        return this;
    }

    /**
     * Makes the client and its connection, see {@link #warmUp}. A sidecar that is away is no error, and not waited for.
     *
     * @return the client, to be kept and shared
     * @throws IllegalArgumentException the address or the time-out is not allowed, or a PEM file is none
     */
    public LearningClient build() {
        if (address.isEmpty()) {
            throw new IllegalArgumentException(
                    "the address of the sidecar is empty; give host:port or unix:/path, or set " + ADDRESS_VARIABLE);
        }
        if (timeout.isNegative() || timeout.isZero()) {
            throw new IllegalArgumentException("the time-out must be above 0, got " + timeout);
        }
        Metadata own = new Metadata(); // the builder may be used again
        own.merge(headers);
        GrpcSidecar sidecar = new GrpcSidecar(Channels.open(address, credentials), own, timeout);
        if (!warmUp.isNegative() && !warmUp.isZero()) {
            sidecar.warmUp(warmUp);
        }
        return new LearningClient(tenant, workspace, sidecar);
    }
}
