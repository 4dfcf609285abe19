/** Hands the app's OpenTelemetry context on to the sidecar, where the app has OpenTelemetry at all. */
import type { Metadata } from "@grpc/grpc-js";
import type * as OpenTelemetry from "@opentelemetry/api";
import { createRequire } from "node:module";

const telemetry = installed();

/** Adds what the app's global propagator says about the active context, such as `traceparent`. */
export function injectTraceContext(metadata: Metadata): void {
  telemetry?.propagation.inject(telemetry.context.active(), metadata, {
    set: (carrier, key, value) => {
      carrier.set(key, value);
    },
  });
}

function installed(): typeof OpenTelemetry | undefined {
  try {
    // Not `import`, which would make everyone wait who imports this; the API keeps its state where both find it.
    return createRequire(import.meta.url)("@opentelemetry/api") as typeof OpenTelemetry;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") {
      // Such as a bundle, in which nothing can be required. That is no reason to fail an app.
      process.emitWarning(`learning: traces are not passed on to the sidecar: ${String(error)}`);
    }
    return undefined;
  }
}
