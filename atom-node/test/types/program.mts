import {
  isAtomError,
  open,
  RateLimitedError,
  type Engine,
  type FunctionContext,
  type Run,
  type Stream,
} from "atom-engine";

const engine: Engine = await open({ dataDir: "data", fileRoots: ["."], http: { timeoutSeconds: 5 } });
engine.function("greetings.make", async ({ name }: { name: string }, { signal, context }) => {
  const known: FunctionContext = context;
  if (signal.aborted) {
    throw new RateLimitedError("wait", { retry: { kind: "after", ms: 1 } });
  }
  return `${known.user}: ${name}`;
});

const { signal } = new AbortController();
const run: Run = await engine.runs.start({ document: "…", input: { name: "Ada" }, wait: true }, { signal });
const output: unknown = run.output;

for await (const entry of engine.runs.events({ id: run.id, after: 3 })) {
  if (entry.type === "task_faulted") {
    const status: number = entry.error.status;
    console.log(status, entry.offset);
  }
}
const stream: Stream<unknown> = engine.actingAs({ tenant: "acme", user: "ada" }).events.subscribe();
await stream.return();

try {
  await engine.runs.list({ status: "running" });
} catch (error) {
  if (isAtomError(error, "rate_limited")) {
    const code: "rate_limited" = error.code;
    console.log(code, output);
  }
}

// @ts-expect-error: an id is needed.
await engine.runs.get({});
// @ts-expect-error: there is no such option.
await open({ dataDirectory: "data" });
// @ts-expect-error: there is no such state.
await engine.runs.list({ status: "lost" });
// @ts-expect-error: an engine is opened, not constructed.
new (engine.constructor as typeof Engine)();
await engine.close();
