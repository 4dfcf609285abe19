/** Where the sidecar is, and how gRPC is told to behave on the way there. */
import { credentials, Metadata, type ChannelCredentials, type ChannelOptions } from "@grpc/grpc-js";
import { Learning } from "./gen/learning/v1/learning_pb.js";
import { finite } from "./signals.js";
import { shown, type Logger } from "./sparse-log.js";

const ADDRESS_VARIABLE = "LEARNING_ADDRESS";
const ADDRESS_DEFAULT = "127.0.0.1:50051";
const TIMEOUT_MS_DEFAULT = 50;

/** PEM texts for TLS. `cert` and `key` come together, for mutual TLS. */
export interface TlsOptions {
  /** The authorities that may have signed the sidecar's certificate. Absent: those that Node trusts. */
  ca?: string | Uint8Array | undefined;
  /** The certificate that the app proves itself with. */
  cert?: string | Uint8Array | undefined;
  /** The private key of `cert`. */
  key?: string | Uint8Array | undefined;
}

/** How to reach the sidecar; all optional. */
export interface ConnectionOptions {
  /** `host:port` or `unix:/path`. Absent: the environment variable `LEARNING_ADDRESS`, else `127.0.0.1:50051`. */
  address?: string | undefined;
  /** How long any one call to the sidecar may take, in milliseconds, above 0. Absent: 50. */
  timeoutMs?: number | undefined;
  /** A bearer token, sent with every call. Use it with `tls`, or to a sidecar on this machine. */
  token?: string | undefined;
  /** Speak TLS. Absent: plain text. */
  tls?: TlsOptions | undefined;
  /** More metadata for every call. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/** What may be said about a client; all optional. */
export interface ClientOptions extends ConnectionOptions {
  /** Who asks; 1 to 128 printable characters. Absent: `default`. */
  tenant?: string | undefined;
  /** Which deployment, the unit of sharing, budget and snapshot; likewise. Absent: `main`. */
  workspace?: string | undefined;
  /** Where warnings go, each kind at most once a minute. Absent: `console`. */
  logger?: Logger | undefined;
}

/** Where to call, and how. */
export interface Endpoint {
  /** A target as gRPC writes it. */
  readonly address: string;
  /** How long any one call may take. */
  readonly timeoutMs: number;
  /** Plain text or TLS. */
  readonly credentials: ChannelCredentials;
  /** What goes with every call. */
  readonly metadata: Metadata;
}

// Only calls that are idempotent by their decision id are listed, and only a lost connection is tried again: the
// app's deadline ends the attempts anyway. The throttle stops them after two failures in a row, so that while nobody
// listens a call fails at once instead of after a second attempt.
const SERVICE_CONFIG = {
  methodConfig: [
    {
      name: [Learning.method.recommend, Learning.method.reward, Learning.method.release].map((method) => ({
        service: Learning.typeName,
        method: method.name,
      })),
      retryPolicy: {
        maxAttempts: 2,
        initialBackoff: "0.005s",
        maxBackoff: "0.02s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
  retryThrottling: { maxTokens: 4, tokenRatio: 0.5 },
};

export const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
  // The configuration above is all there is: no host is asked for another one by DNS.
  "grpc.service_config_disable_resolution": 1,
  // While a connection cannot be made, calls fail at once; how soon a sidecar that came back is found is up to these.
  // With the fifth by which grpc-js varies the pause, and the connecting, that is within a second.
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 700,
  // Finds a peer that vanished without closing its connection. Not without calls in flight, because servers hang up
  // on those who ping an idle connection.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 2_000,
  "grpc.keepalive_permit_without_calls": 0,
  // A sidecar is next door; http_proxy is meant for the world outside.
  "grpc.enable_http_proxy": 0,
  // Nobody looks at it, and every call would keep books for it.
  "grpc.enable_channelz": 0,
};

/**
 * Checks and completes what the app says about the sidecar.
 *
 * @throws TypeError or RangeError when an option cannot be right.
 */
export function endpoint(options: ConnectionOptions): Endpoint {
  const address = options.address ?? process.env[ADDRESS_VARIABLE] ?? ADDRESS_DEFAULT;
  if (typeof address !== "string") throw new TypeError(`address must be a string, not ${typeof address}`);
  if (address === "") {
    throw new RangeError(
      `the address of the sidecar is empty; give host:port or unix:/path, or set ${ADDRESS_VARIABLE}`,
    );
  }
  const timeoutMs = finite(options.timeoutMs ?? TIMEOUT_MS_DEFAULT);
  if (timeoutMs === undefined || timeoutMs <= 0) {
    throw new RangeError(`timeoutMs must be a finite number above 0, got ${shown(options.timeoutMs)}`);
  }
  return { address, timeoutMs, credentials: credentialsOf(options.tls), metadata: metadataOf(options) };
}

function credentialsOf(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new TypeError("tls.cert and tls.key come together");
  }
  try {
    return credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert));
  } catch (error) {
    throw new TypeError("tls needs PEM texts", { cause: error });
  }
}

function pem(text: string | Uint8Array | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}

function metadataOf({ token, headers }: ConnectionOptions): Metadata {
  if (token !== undefined && !/^[!-~]+$/.test(token)) {
    throw new TypeError("token must have printable ASCII characters without spaces; does it end with a line break?");
  }
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers ?? {})) {
    try {
      metadata.set(key, value);
    } catch {
      // Without the cause, which repeats the value, which may be a secret.
      throw new TypeError(`the header ${JSON.stringify(key)} must be what gRPC metadata can carry: printable ASCII`);
    }
  }
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}
