import assert from "node:assert/strict";
import { test } from "node:test";

import { runProcess } from "./support.mjs";

/** Measures memory before and after repeating something, when it has been repeated a while already. */
async function growth(setup, repeated, times) {
  const script = `
    import { open } from "atom-engine";
    ${setup}
    const repeat = async (times) => {
      for (let index = 0; index < times; index += 100) {
        await Promise.all(Array.from({ length: 100 }, async () => { ${repeated} }));
      }
    };
    const measure = async () => {
      for (let round = 0; round < 3; round += 1) {
        await new Promise(setImmediate);
        gc();
      }
      const { rss, heapUsed } = process.memoryUsage();
      return { rss, heapUsed };
    };
    await repeat(${times / 2});
    const before = await measure();
    await repeat(${times});
    const after = await measure();
    console.log(JSON.stringify({ rss: after.rss - before.rss, heap: after.heapUsed - before.heapUsed }));`;
  const grown = JSON.parse(await runProcess(script, { args: ["--expose-gc"] }));
  return { rss: grown.rss / 2 ** 20, heap: grown.heap / 2 ** 20 };
}

test("10,000 calls leave nothing behind", async (t) => {
  const setup = `
    const engine = await open({ storage: "memory" });
    const { signal } = new AbortController();
    engine.function("texts.echo", (text) => text);`;
  const repeated = `
    await engine.functions.call({ name: "texts.echo", arguments: ["x".repeat(1000)] }, { signal });
    await engine.call("nothing.there").catch(() => {});
    await engine.events.subscribe().return();`;
  const { rss, heap } = await growth(setup, repeated, 10_000);
  t.diagnostic(`grown by ${rss.toFixed(1)} MiB, of which heap ${heap.toFixed(1)} MiB`);
  // 10,000 texts of 1,000 characters would be 10 MiB.
  assert.ok(heap < 1, `the heap grew by ${heap} MiB`);
  assert.ok(rss < 8, `the process grew by ${rss} MiB`);
});

test("engines that were closed leave nothing behind", async (t) => {
  const { rss, heap } = await growth("", `await (await open({ storage: "memory" })).close();`, 200);
  t.diagnostic(`grown by ${rss.toFixed(1)} MiB, of which heap ${heap.toFixed(1)} MiB`);
  assert.ok(heap < 1, `the heap grew by ${heap} MiB`);
});
