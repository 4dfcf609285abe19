/** The one seam between the client and the wire; the fakes replace it. */
import type { Failure } from "./failure.js";
import type {
  RecommendRequest,
  RecommendResponse,
  ReleaseRequest,
  ReleaseResponse,
  RewardRequest,
  RewardResponse,
} from "./gen/learning/v1/learning_pb.js";

/** Sends requests and gives back an answer or a `Failure`; rejects only in a fake that was told something impossible. */
export interface Transport {
  /** Asks for a decision. */
  recommend(request: RecommendRequest): Promise<RecommendResponse | Failure>;
  /** Reports what happened. */
  reward(request: RewardRequest): Promise<RewardResponse | Failure>;
  /** Gives a decision back. */
  release(request: ReleaseRequest): Promise<ReleaseResponse | Failure>;
  /** Gives up the connection; later calls fail. */
  close(): void;
}
