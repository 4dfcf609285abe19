/** A gRPC server in this process that answers as it is told: at once, late, with an error, or not at all. */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  status,
  type handleUnaryCall,
  type Metadata,
  type MethodDefinition,
} from "@grpc/grpc-js";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Learning,
  Mode,
  RecommendOutcome,
  RecommendResponseSchema,
  ReleaseOutcome,
  ReleaseResponseSchema,
  RewardOutcome,
  RewardResponseSchema,
  Source,
  type RecommendRequest,
  type RecommendResponse,
  type ReleaseRequest,
  type RewardRequest,
} from "../src/gen/learning/v1/learning_pb.js";

type Answering<Response> = Omit<Partial<Response>, "$typeName" | "$unknown">;

/** What it is told to do, and what it has seen. */
export class ScriptedSidecar {
  readonly recommends: RecommendRequest[] = [];
  readonly rewards: RewardRequest[] = [];
  readonly releases: ReleaseRequest[] = [];
  readonly metadata: Metadata[] = [];
  /** Laid over the usual answer to Recommend. */
  answer: Answering<RecommendResponse> = {};
  /** How long each kind of call takes. */
  delayMs = { Recommend: 0, Reward: 0, Release: 0 };
  /** Statuses that the next calls end with, one each; undefined lets one be answered. */
  failures: (status | undefined)[] = [];
  address = "";
  #server: Server | undefined;

  /** Listens, and stops at the end of the test. */
  static async started(test: TestContext, bind = "127.0.0.1:0", tls?: ServerCredentials): Promise<ScriptedSidecar> {
    const sidecar = new ScriptedSidecar();
    await sidecar.listen(bind, tls);
    test.after(() => {
      sidecar.crash();
    });
    return sidecar;
  }

  /** Listens, at the old address when it had one. */
  async listen(bind = this.address, credentials = ServerCredentials.createInsecure()): Promise<void> {
    const server = new Server();
    this.#server = server;
    server.addService(
      {
        recommend: wire(Learning.method.recommend),
        reward: wire(Learning.method.reward),
        release: wire(Learning.method.release),
      },
      {
        recommend: this.#handler("Recommend", (request: RecommendRequest) => {
          this.recommends.push(request);
          return create(RecommendResponseSchema, { ...usual(request), ...this.answer });
        }),
        reward: this.#handler("Reward", (request: RewardRequest) => {
          this.rewards.push(request);
          return create(RewardResponseSchema, { outcome: RewardOutcome.APPLIED, reward: 0.5, arm: "large" });
        }),
        release: this.#handler("Release", (request: ReleaseRequest) => {
          this.releases.push(request);
          return create(ReleaseResponseSchema, { outcome: ReleaseOutcome.RELEASED });
        }),
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(bind, credentials, (error, port) => {
        if (error) reject(error);
        else resolve(port);
      });
    });
    this.address = bind.startsWith("unix:") ? bind : `127.0.0.1:${port}`;
  }

  /** Ends every connection, and listens no more. */
  crash(): void {
    this.#server?.forceShutdown();
  }

  #handler<Request, Response>(
    kind: keyof typeof this.delayMs,
    answer: (request: Request) => Response,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      this.metadata.push(call.metadata);
      const response = answer(call.request);
      const code = this.failures.shift();
      void sleep(this.delayMs[kind]).then(() => {
        if (code === undefined) callback(null, response);
        else callback({ code, details: "as told" });
      });
    };
  }
}

function usual(request: RecommendRequest): Answering<RecommendResponse> {
  const arm = request.candidates.at(-1)?.arm ?? "";
  return {
    arm,
    outcome: RecommendOutcome.CHOSEN,
    decisionId: request.decisionId,
    propensity: 0.25,
    baseline: request.candidates[0]?.arm ?? "",
    proposal: arm,
    mode: Mode.UNGATED,
    source: Source.LEARNED,
    expiresAtUnixMs: 4_000_000_000_000n,
    policy: "thompson",
    statisticsVersion: 7n,
    reservedUsd: 0.02,
  };
}

function wire<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}
