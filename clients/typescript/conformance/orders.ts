/** What each order does. */
import { LearningClient, type DecideOptions, type DecisionName } from "learning-sidecar-client";
import { FakeLearning, type Chooser } from "learning-sidecar-client/testing";
import { readFileSync } from "node:fs";
import { Arguments, signals, told, Unsupported } from "./arguments.js";
import { decide, learn, type Act, type Asking } from "./block.js";
import { Seen } from "./seen.js";
import { traced } from "./trace.js";

const CHOOSERS: Record<string, Chooser> = {
  first: (_domain, candidates) => candidates[0],
  last: (_domain, candidates) => candidates.at(-1),
};

const clients = new Map<string, LearningClient>();

type Perform = (client: string, order: Arguments) => object | Promise<object>;

const OPS: Record<string, Perform> = {
  open: (name, order) => {
    const options = {
      address: order.take("address") as string | undefined,
      timeoutMs: order.number("timeout_ms"),
      tenant: order.take("tenant") as string | undefined,
      workspace: order.take("workspace") as string | undefined,
      token: order.take("token") as string | undefined,
      headers: order.take("headers") as Record<string, string> | undefined,
      tls: pems(order.take("tls") as object | undefined),
    };
    order.done();
    clients.set(name, new LearningClient(options));
    return {};
  },

  fake: (name, order) => {
    const choose = CHOOSERS[(order.take("choose") as string | undefined) ?? "first"];
    order.done();
    clients.set(name, new FakeLearning(choose));
    return {};
  },

  fake_away: (name, order) => {
    fake(name).away = (order.take("away") as boolean | undefined) ?? true;
    order.done();
    return {};
  },

  fake_rewards: (name, order) => {
    order.done();
    return { rewards: fake(name).rewards.map(({ domain, arm, signals }) => ({ domain, arm, signals: told(signals) })) };
  },

  decide: async (name, order) => {
    const { asking, act, traceparent } = block(order);
    return (await traced(traceparent, () => decide(client(name), asking, act))).toldWithAct();
  },

  learn: async (name, order) => {
    const { asking, act, traceparent } = block(order);
    return (await traced(traceparent, () => learn(client(name), asking, act))).toldWithAct();
  },

  together: async (name, order) => {
    const times = order.number("times");
    const { asking, act, traceparent } = block(order);
    const blocks = Array.from({ length: times ?? 1 }, () =>
      traced(traceparent, () => decide(client(name), asking, act)),
    );
    return { decisions: (await Promise.all(blocks)).map((seen) => seen.toldWithAct()) };
  },

  recommend: async (name, order) => {
    const times = order.number("times") ?? 1;
    const traceparent = order.take("traceparent") as string | undefined;
    const { domain, candidates, options } = asking(order);
    order.done();
    let seen = new Seen();
    for (let time = 0; time < times; time += 1) {
      seen = new Seen();
      seen.asked(await traced(traceparent, () => client(name).recommend(domain, candidates, options)));
    }
    return seen.told();
  },

  reward: async (name, order) => {
    const decision = decisionName(order);
    const reported = signals((order.take("signals") as Record<string, unknown> | undefined) ?? {});
    const moreToCome = order.take("more_to_come") as boolean | undefined;
    order.done();
    const { outcome, reward = null, arm, missing } = await client(name).reward(decision, reported, { moreToCome });
    return { outcome, reward, arm, missing };
  },

  release: async (name, order) => {
    const decision = decisionName(order);
    order.done();
    const { outcome } = await client(name).release(decision);
    return { outcome };
  },

  close: (name, order) => {
    order.done();
    client(name).close(); // it stays known, because an app may keep using it
    return {};
  },
};

/** Carries out one order, without its id. */
export async function perform(order: Arguments): Promise<object> {
  const op = (order.take("op") as string | undefined) ?? "";
  const carryOut = OPS[op];
  if (carryOut === undefined) throw new Unsupported(`the op ${op}`);
  return carryOut((order.take("client") as string | undefined) ?? "", order);
}

function client(name: string): LearningClient {
  const found = clients.get(name);
  if (found === undefined) throw new Error(`no client ${name} was opened`);
  return found;
}

function fake(name: string): FakeLearning {
  const found = client(name);
  if (!(found instanceof FakeLearning)) throw new Error(`the client ${name} is no fake`);
  return found;
}

function pems(paths: object | undefined): Record<string, Buffer> | undefined {
  if (paths === undefined) return undefined;
  const given = new Arguments(paths);
  const texts: Record<string, Buffer> = {};
  for (const name of ["ca", "cert", "key"]) {
    const path = given.take(name) as string | undefined;
    if (path !== undefined) texts[name] = readFileSync(path);
  }
  given.done();
  return texts;
}

function decisionName(order: Arguments): DecisionName {
  return { domain: order.take("domain"), decisionId: order.take("decision_id") } as DecisionName;
}

function asking(order: Arguments): Asking {
  return {
    domain: order.take("domain") as string,
    candidates: order.take("candidates") as string[],
    options: {
      context: order.numbers("context"),
      costCeilingsUsd: order.numbers("cost_ceilings_usd"),
      maxLatencyMs: order.number("max_latency_ms"),
      rewardDeadlineMs: order.number("reward_deadline_ms"),
      decisionId: order.take("decision_id") as string | undefined,
    },
  };
}

function block(order: Arguments): { asking: Asking; act: Act; traceparent: string | undefined } {
  const given = order.nested("act");
  const act: Act = {
    sleepMs: given.number("sleep_ms") ?? 0,
    observe: ((given.take("observe") as Record<string, unknown>[] | undefined) ?? []).map(signals),
    keepOpen: (given.take("keep_open") as boolean | undefined) ?? false,
    fails: given.take("raise") as Act["fails"] | undefined,
  };
  given.done();
  const traceparent = order.take("traceparent") as string | undefined;
  const onError = order.take("on_error") as DecideOptions["onError"] | undefined;
  const { options, ...what } = asking(order);
  order.done();
  return { asking: { ...what, options: { ...options, onError } }, act, traceparent };
}
