/** The app's OpenTelemetry: as much of it as carries a context. */
import { context, propagation, ROOT_CONTEXT } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

/** Runs inside the trace, if there is one. */
export function traced<Result>(traceparent: string | undefined, run: () => Result): Result {
  if (traceparent === undefined) return run();
  return context.with(propagation.extract(ROOT_CONTEXT, { traceparent }), run);
}
