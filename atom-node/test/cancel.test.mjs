import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";

import { calling, engineFor } from "./support.mjs";

test("a signal cancels the call, not the run", async (t) => {
  const engine = await engineFor(t);
  engine.function("nobody.answers", () => new Promise(() => {}));
  const { id } = await engine.runs.start({ document: calling("nobody.answers") });
  const controller = new AbortController();
  const wait = engine.runs.get({ id, wait: true }, { signal: controller.signal });
  const reason = new Error("the page was left");
  controller.abort(reason);
  await assert.rejects(wait, { name: "CancelledError", code: "cancelled", operation: "runs.get", cause: reason });
  assert.equal((await engine.runs.get({ id })).status, "running");
});

test("a signal that was aborted before lets nothing begin", async (t) => {
  const engine = await engineFor(t);
  let calls = 0;
  engine.function("calls.count", () => (calls += 1));
  const signal = AbortSignal.abort();
  await assert.rejects(engine.functions.call({ name: "calls.count" }, { signal }), { code: "cancelled" });
  await assert.rejects(engine.events.subscribe({}, { signal }).next(), { code: "cancelled" });
  assert.equal(calls, 0);
});

test("a signal cancels the function that a call waits for", async (t) => {
  const engine = await engineFor(t);
  const controller = new AbortController();
  const aborted = new Promise((resolve) => {
    engine.function("work.long", async (_, { signal }) => {
      controller.abort();
      await new Promise((stop) => signal.addEventListener("abort", stop));
      resolve(signal.reason);
    });
  });
  const call = engine.functions.call({ name: "work.long" }, { signal: controller.signal });
  await assert.rejects(call, { code: "cancelled" });
  assert.equal((await aborted).code, "cancelled");
});

test("a signal is let go of when the call or stream has ended", async (t) => {
  const engine = await engineFor(t);
  const { signal } = new AbortController();
  await engine.engine.info({}, { signal });
  await assert.rejects(engine.call("nothing.there", {}, { signal }));
  await engine.events.subscribe({}, { signal }).return();
  assert.equal(getEventListeners(signal, "abort").length, 0);
});
