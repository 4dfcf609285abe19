/** Sends calls over gRPC: one channel, made at once and then reused. */
import { fromBinary, toBinary, type DescMessage, type DescMethodUnary, type MessageShape } from "@bufbuild/protobuf";
import { Client } from "@grpc/grpc-js";
import { CHANNEL_OPTIONS, type Endpoint } from "./endpoint.js";
import { Failure } from "./failure.js";
import {
  Learning,
  type RecommendRequest,
  type RecommendResponse,
  type ReleaseRequest,
  type ReleaseResponse,
  type RewardRequest,
  type RewardResponse,
} from "./gen/learning/v1/learning_pb.js";
import { injectTraceContext } from "./trace-context.js";
import type { Transport } from "./transport.js";

/** Waits for at most the endpoint's time-out, and never rejects. An idle connection does not keep a process alive. */
export class GrpcTransport implements Transport {
  readonly #endpoint: Endpoint;
  readonly #client: Client;
  #closed = false;

  /**
   * Begins to connect, so that the first call need not wait for it.
   *
   * @throws RangeError when the address cannot be read.
   */
  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    try {
      this.#client = new Client(endpoint.address, endpoint.credentials, CHANNEL_OPTIONS);
    } catch (error) {
      throw new RangeError(`"${endpoint.address}" is no address`, { cause: error });
    }
    this.#client.getChannel().getConnectivityState(true);
  }

  /** Asks for a decision. */
  recommend(request: RecommendRequest): Promise<RecommendResponse | Failure> {
    return this.#call(Learning.method.recommend, request);
  }

  /** Reports what happened. */
  reward(request: RewardRequest): Promise<RewardResponse | Failure> {
    return this.#call(Learning.method.reward, request);
  }

  /** Gives a decision back. */
  release(request: ReleaseRequest): Promise<ReleaseResponse | Failure> {
    return this.#call(Learning.method.release, request);
  }

  /** Gives up the connection as soon as the calls that are under way have ended; later ones fail. */
  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  async #call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
  ): Promise<MessageShape<O> | Failure> {
    if (this.#closed) return new Failure("CLOSED", "the client is closed");
    try {
      return await this.#send(method, request);
    } catch (error) {
      // Whatever happened in here, the app has its own work to do.
      return Failure.of(error);
    }
  }

  #send<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
  ): Promise<MessageShape<O>> {
    const metadata = this.#endpoint.metadata.clone();
    injectTraceContext(metadata);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        request,
        metadata,
        { deadline: Date.now() + this.#endpoint.timeoutMs },
        (error, answer) => {
          if (answer !== undefined) resolve(answer);
          else reject(error ?? new Error("neither an answer nor an error"));
        },
      );
    });
  }
}
