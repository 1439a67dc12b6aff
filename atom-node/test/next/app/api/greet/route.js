import { open } from "atom-engine";

const DOCUMENT = JSON.stringify({
  document: { dsl: "1.0.3", namespace: "default", name: "hello", version: "0.1.0" },
  do: [{ greet: { set: { greeting: '${ "Hello " + .name }' } } }],
});

/** One engine for the process, opened by the first request and kept when modules are loaded anew. */
function engine() {
  globalThis.atomEngine ??= open({ storage: "memory" });
  return globalThis.atomEngine;
}

export async function POST(request) {
  const { runs } = await engine();
  const input = await request.json();
  const run = await runs.start({ document: DOCUMENT, input, wait: true }, { signal: request.signal });
  return Response.json(run.output);
}
