/** Goal: the sidecar is reached where and as the app says, and an idle connection is in nobody's way. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { inspect } from "node:util";
import { ServerCredentials } from "@grpc/grpc-js";
import { context, propagation, ROOT_CONTEXT } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { LearningClient } from "learning-sidecar-client";
import { clientOf, KeptLog } from "./app.js";
import { ScriptedSidecar } from "./scripted-sidecar.js";

const ARMS = ["small", "large"];

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "ls-"));
  t.after(() => {
    rmSync(made, { recursive: true });
  });
  return made;
}

function certificate(directory: string, name: string): { cert: Buffer; key: Buffer } {
  const [cert, key] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const whom = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...whom, "-out", cert, "-keyout", key], { stdio: "pipe" });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

suite("connection", () => {
  test("the address comes from LEARNING_ADDRESS when none is given", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    process.env["LEARNING_ADDRESS"] = sidecar.address;
    t.after(() => delete process.env["LEARNING_ADDRESS"]);
    using client = new LearningClient({ timeoutMs: 5000 });
    assert.equal((await client.recommend("route", ARMS)).source, "learned");
  });

  test("a unix socket is an address", async (t) => {
    const sidecar = await ScriptedSidecar.started(t, `unix:${join(directory(t), "s")}`);
    assert.equal((await clientOf(t, sidecar).recommend("route", ARMS)).source, "learned");
  });

  test("a host name is an address", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const address = sidecar.address.replace("127.0.0.1", "localhost");
    assert.equal((await clientOf(t, sidecar, { address }).recommend("route", ARMS)).source, "learned");
  });

  test("token and headers go with every call", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar, { token: "secret", headers: { "x-team": "search" } });
    await client.release(await client.recommend("route", ARMS));
    assert.deepEqual(
      sidecar.metadata.map((metadata) => [metadata.get("authorization")[0], metadata.get("x-team")[0]]),
      [
        ["Bearer secret", "search"],
        ["Bearer secret", "search"],
      ],
    );
  });

  test("with mutual TLS only those reach it whom it trusts, and who trust it", async (t) => {
    const files = directory(t);
    const [server, app, stranger] = ["server", "app", "stranger"].map((name) => certificate(files, name));
    assert.ok(server && app && stranger);
    const credentials = ServerCredentials.createSsl(
      app.cert,
      [{ cert_chain: server.cert, private_key: server.key }],
      true,
    );
    const sidecar = await ScriptedSidecar.started(t, "127.0.0.1:0", credentials);
    const ca = server.cert;
    const sources = [];
    for (const tls of [{ ca, ...app }, { ca, ...stranger }, { ca: stranger.cert, ...app }, { ca }]) {
      sources.push((await clientOf(t, sidecar, { tls }).recommend("route", ARMS)).source);
    }
    assert.deepEqual(sources, ["learned", "fallback", "fallback", "fallback"]);
  });

  test("the active OpenTelemetry context is passed on, and only then", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar);
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    t.after(() => {
      context.disable();
      propagation.disable();
    });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await context.with(propagation.extract(ROOT_CONTEXT, { traceparent }), () =>
      client.decide("route", ARMS, () => undefined),
    );
    await client.recommend("route", ARMS);
    assert.deepEqual(
      sidecar.metadata.map((metadata) => metadata.get("traceparent")),
      [[traceparent], [traceparent], []],
    );
  });

  for (const [what, closing] of [
    ["closed", "client.close();"],
    ["left open", ""],
  ] as const) {
    test(`a process whose client is ${what} ends by itself`, async (t) => {
      const sidecar = await ScriptedSidecar.started(t);
      const app = `
        import { LearningClient } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
        const client = new LearningClient({ timeoutMs: 5000 });
        console.log((await client.recommend("route", ["small", "large"])).source);
        ${closing}`;
      const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", app], {
        env: { ...process.env, LEARNING_ADDRESS: sidecar.address },
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 60_000,
      });
      let printed = "";
      child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
      assert.deepEqual(await once(child, "close"), [0, null]);
      assert.equal(printed, "learned\n");
    });
  }

  test("what cannot be sent is told without what it was, for it may be a secret", () => {
    const secret = "s3cret\n";
    for (const options of [{ token: secret }, { headers: { authorization: `Bearer ${secret}` } }]) {
      assert.throws(
        () => new LearningClient({ logger: new KeptLog(), ...options }),
        (error) => error instanceof TypeError && !inspect(error, { depth: 9 }).includes("s3cret"),
      );
    }
  });

  test("an option that cannot be right is a mistake at once", () => {
    const wrong = [
      { address: "" },
      { address: 5 as never },
      { timeoutMs: 0 },
      { timeoutMs: NaN },
      { tenant: "a\tb" },
      { workspace: "" },
      { token: "two\nlines" },
      { headers: { "no key": "value" } },
      { tls: { cert: "alone" } },
      { tls: { ca: "no PEM", cert: "no PEM", key: "no PEM" } },
    ];
    for (const options of wrong) {
      assert.throws(
        () => new LearningClient({ logger: new KeptLog(), ...options }),
        (error) => error instanceof TypeError || error instanceof RangeError,
        JSON.stringify(options),
      );
    }
  });
});
