/** Reads orders from standard input, acts them out with the client, and tells what it saw: one JSON object a line. */
import { createInterface } from "node:readline";
import { Arguments, Unsupported } from "./arguments.js";
import { perform } from "./orders.js";

async function answer(order: Arguments): Promise<object> {
  try {
    return { ok: await perform(order) };
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.message };
    // What this client throws when the program is wrong.
    if (error instanceof TypeError || error instanceof RangeError)
      return { mistake: `${error.name}: ${error.message}` };
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = new Arguments(JSON.parse(line) as object);
  const id = order.take("id");
  process.stdout.write(`${JSON.stringify({ id, ...(await answer(order)) })}\n`);
}
