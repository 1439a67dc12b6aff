import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import { engineFor, workflow } from "./support.mjs";

const { Stream } = createRequire(import.meta.url)("../dist/ts/stream.js");

const THREE_TASKS = workflow({ one: { set: { a: 1 } } }, { two: { set: { a: 2 } } }, { three: { set: { a: 3 } } });

async function all(stream) {
  const items = [];
  for await (const item of stream) {
    items.push(item);
  }
  return items;
}

test("the events of a run come in order, end with it, and go on from any offset", async (t) => {
  const engine = await engineFor(t);
  const { id } = await engine.runs.start({ document: THREE_TASKS, wait: true });
  const entries = await all(engine.runs.events({ id }));
  assert.deepEqual(
    entries.map(({ offset }) => offset),
    entries.map((_, index) => index + 1),
  );
  assert.equal(entries.at(0).type, "run_started");
  assert.equal(entries.at(-1).type, "run_completed");

  const first = [];
  for await (const entry of engine.runs.events({ id })) {
    first.push(entry);
    if (first.length === 3) break;
  }
  const rest = await all(engine.runs.events({ id, after: first.at(-1).offset }));
  assert.deepEqual([...first, ...rest], entries);
});

test("a stream begins when it is made, and ends for good when its loop is left", async (t) => {
  const engine = await engineFor(t);
  const stream = engine.events.subscribe();
  for (const data of [1, 2, 3]) {
    await engine.events.publish({ event: { type: "com.example.counted", data } });
  }
  for await (const { event } of stream) {
    assert.equal(event.data, 1);
    break;
  }
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test("an error is thrown once, where the stream is iterated", async (t) => {
  const engine = await engineFor(t);
  const stream = engine.runs.events({ id: "00000000-0000-7000-8000-000000000000" });
  await assert.rejects(stream.next(), { name: "NotFoundError", operation: "runs.events" });
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test("a signal ends a stream with an error, in the middle of waiting", async (t) => {
  const engine = await engineFor(t);
  const controller = new AbortController();
  const waiting = engine.events.subscribe({}, { signal: controller.signal }).next();
  controller.abort();
  await assert.rejects(waiting, { code: "cancelled", operation: "events.subscribe" });
});

test("several may wait for items of one stream", async (t) => {
  const engine = await engineFor(t);
  const stream = engine.events.subscribe();
  const waiting = [stream.next(), stream.next(), stream.next()];
  await engine.events.publish({ event: { type: "com.example.counted", data: 1 } });
  await engine.events.publish({ event: { type: "com.example.counted", data: 2 } });
  assert.equal((await waiting[0]).value.event.data, 1);
  assert.equal((await waiting[1]).value.event.data, 2);
  await stream.return();
  assert.equal((await waiting[2]).done, true);
});

test("a stream that nobody reads holds up nothing else and loses nothing", async (t) => {
  const engine = await engineFor(t);
  const stream = engine.events.subscribe();
  const count = 2_000;
  for (let data = 0; data < count; data += 1) {
    await engine.events.publish({ event: { type: "com.example.counted", data } });
  }
  const seen = [];
  for await (const { event } of stream) {
    seen.push(event.data);
    if (seen.length === count) break;
  }
  assert.deepEqual(seen, Array.from({ length: count }, (_, data) => data));
});

test("a stream asks the engine to wait when many items wait, and to go on when they are taken", async () => {
  const asked = [];
  const note = (what) => () => asked.push(what);
  const stream = new Stream({ pause: note("pause"), resume: note("resume"), cancel: note("cancel") });
  for (let item = 0; item < 300; item += 1) {
    stream.receive(item);
  }
  assert.deepEqual(asked, ["pause"]);
  for (let item = 0; item < 300; item += 1) {
    assert.equal((await stream.next()).value, item);
  }
  assert.deepEqual(asked, ["pause", "resume"]);
});
