import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import vm from "node:vm";

import { AtomError, RateLimitedError } from "atom-engine";

import { calling, engineFor } from "./support.mjs";

test("a workflow calls functions, async or not", async (t) => {
  const engine = await engineFor(t);
  engine.function("greetings.make", { description: "Greets.", isReadOnly: true }, async ({ input }) => {
    await new Promise(setImmediate);
    return { text: `Hello ${input.name}` };
  });
  engine.function("greetings.plain", ({ input }) => `Hello ${input.name}`);
  const start = (name) => engine.runs.start({ document: calling(name), input: { name: "Ada" }, wait: true });
  assert.deepEqual((await start("greetings.make")).output, { text: "Hello Ada" });
  assert.equal((await start("greetings.plain")).output, "Hello Ada");

  const info = await engine.functions.get({ name: "greetings.make" });
  assert.equal(info.description, "Greets.");
  assert.equal(info.is_read_only, true);
});

test("a function is told on whose behalf it works", async (t) => {
  const engine = await engineFor(t);
  engine.function("contexts.show", (_, { context }) => context);
  const actor = engine.actingAs({ tenant: "acme", user: "ada", roles: ["admin"] });
  const run = await actor.runs.start({ document: calling("contexts.show"), wait: true });
  const { deadline, idempotency_key, ...rest } = run.output;
  assert.deepEqual(rest, { tenant: "acme", user: "ada", roles: ["admin"], run: run.id, task: "/do/0/step" });
  const another = await actor.runs.start({ document: calling("contexts.show"), wait: true });
  assert.notEqual(another.output.idempotency_key, idempotency_key);
  assert.ok(Date.parse(deadline) > Date.now());
});

test("what a function throws is the error of the call", async (t) => {
  const engine = await engineFor(t);
  const thrown = {
    plain: new TypeError("no"),
    caused: new Error("outer", { cause: new Error("inner") }),
    limited: new RateLimitedError("wait", { retry: { kind: "after", ms: 1500 }, context: { who: "them" } }),
    text: "just text",
    nothing: undefined,
  };
  engine.function("errors.throw", async ({ which }) => {
    throw thrown[which];
  });
  const fail = (which) => engine.functions.call({ name: "errors.throw", arguments: { which } });
  await assert.rejects(fail("plain"), {
    name: "HostFailedError",
    code: "host_failed",
    message: "TypeError: no",
    operation: "errors.throw",
  });
  await assert.rejects(fail("caused"), (error) => error.cause.message === "Error: inner");
  await assert.rejects(fail("limited"), (error) => {
    assert.equal(error.code, "rate_limited");
    assert.deepEqual(error.retry, { kind: "after", ms: 1500 });
    assert.equal(error.context.who, "them");
    assert.equal(error.isRetryable, true);
    return true;
  });
  await assert.rejects(fail("text"), { code: "host_failed", message: "just text" });
  await assert.rejects(fail("nothing"), { code: "host_failed", message: "undefined" });

  const run = await engine.runs.start({ document: calling("errors.throw"), input: {}, wait: true });
  assert.equal(run.status, "faulted");
});

test("an error that cannot be told fails its call, and the program goes on", async (t) => {
  const engine = await engineFor(t);
  const thrown = {
    getter: Object.defineProperty(new Error("hidden"), "cause", {
      get() {
        throw new Error("not for you");
      },
    }),
    number: new RateLimitedError("wait", { context: { seconds: 5n } }),
  };
  engine.function("errors.untold", ({ what }) => {
    throw thrown[what];
  });
  const fail = (what) => engine.functions.call({ name: "errors.untold", arguments: { what } });
  await assert.rejects(fail("getter"), { code: "host_failed", message: /cannot be told: Error: not for you/ });
  await assert.rejects(fail("number"), { code: "host_failed", message: /BigInt/ });
});

test("an error of another realm keeps its code", async (t) => {
  const engine = await engineFor(t);
  const foreign = vm.runInNewContext(
    'Object.assign(new Error("not yours"), { code: "permission_denied", retry: { kind: "no" } })',
  );
  assert.ok(!(foreign instanceof Error));
  engine.function("errors.foreign", () => {
    throw foreign;
  });
  await assert.rejects(engine.functions.call({ name: "errors.foreign" }), {
    code: "permission_denied",
    message: "not yours",
  });
});

test("a function need not give anything, but what it gives must have a JSON form", async (t) => {
  const engine = await engineFor(t);
  const circle = {};
  circle.self = circle;
  engine.function("results.none", () => {});
  engine.function("results.circle", () => circle);
  engine.function("results.code", () => () => {});
  const call = (name) => engine.functions.call({ name });
  assert.equal((await call("results.none")).output, null);
  await assert.rejects(call("results.circle"), { code: "host_failed", message: /circular/ });
  await assert.rejects(call("results.code"), { code: "host_failed", message: /JSON/ });
});

test("a function that never answers ends in a timeout, and its signal is aborted", async (t) => {
  const engine = await engineFor(t, { hostCallTimeoutMs: 50 });
  const aborted = new Promise((resolve) => {
    engine.function("nobody.answers", (_, { signal }) => {
      signal.addEventListener("abort", resolve);
      return new Promise(() => {});
    });
  });
  await assert.rejects(engine.functions.call({ name: "nobody.answers" }), { name: "TimeoutError" });
  await aborted;
});

test("a cancelled run aborts the signal of its function", async (t) => {
  const engine = await engineFor(t);
  const { promise: begun, resolve: begin } = withResolvers();
  const { promise: aborted, resolve: abort } = withResolvers();
  engine.function("work.long", async (_, { signal }) => {
    begin();
    await new Promise((stop) => signal.addEventListener("abort", stop));
    abort(signal.reason);
    throw signal.reason;
  });
  const { id } = await engine.runs.start({ document: calling("work.long") });
  // Keeps the process alive meanwhile: a run alone does not.
  const ended = engine.runs.get({ id, wait: true });
  await begun;
  await engine.runs.cancel({ id, reason: "enough" });
  assert.equal((await aborted).code, "cancelled");
  assert.equal((await ended).status, "cancelled");
});

test("a function may use the engine", async (t) => {
  const engine = await engineFor(t);
  engine.function("nested.inner", ({ number }) => number + 1);
  engine.function("nested.outer", async ({ number }) => {
    const { output } = await engine.functions.call({ name: "nested.inner", arguments: { number } });
    return output + 1;
  });
  const { output } = await engine.functions.call({ name: "nested.outer", arguments: { number: 1 } });
  assert.equal(output, 3);
});

test("names are taken once, and can be freed", async (t) => {
  const engine = await engineFor(t);
  engine.function("names.one", () => 1);
  assert.throws(() => engine.function("names.one", () => 2), { name: "AlreadyExistsError" });
  assert.throws(() => engine.function("Not A Name", () => 2), { code: "invalid_request" });
  assert.equal((await engine.functions.call({ name: "names.one" })).output, 1);
  assert.equal(engine.unregisterFunction("names.one"), true);
  assert.equal(engine.unregisterFunction("names.one"), false);
  await assert.rejects(engine.functions.call({ name: "names.one" }), { code: "not_found" });
  engine.function("names.one", () => 3);
  assert.equal((await engine.functions.call({ name: "names.one" })).output, 3);
});

test("a function runs in the context of its registration, an answer arrives in that of its call", async (t) => {
  const engine = await engineFor(t);
  const storage = new AsyncLocalStorage();
  storage.run("registration", () => engine.function("contexts.read", () => storage.getStore()));
  await storage.run("call", async () => {
    assert.equal((await engine.functions.call({ name: "contexts.read" })).output, "registration");
    assert.equal(storage.getStore(), "call");
  });
});

test("an error that is made here has the code and advice of its class", () => {
  const error = new RateLimitedError("wait");
  assert.ok(error instanceof AtomError);
  assert.equal(error.code, "rate_limited");
  assert.equal(error.isRetryable, true);
  assert.equal(String(error), "RateLimitedError: wait");
});

function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}
