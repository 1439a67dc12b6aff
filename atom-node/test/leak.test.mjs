import assert from "node:assert/strict";
import { test } from "node:test";

import { runProcess } from "./support.mjs";

/** Measures what repeating something adds to the memory of a process, once it has been repeated a while. */
async function growth(setup, repeated, { before, times, atOnce }) {
  const script = `
    import { open } from "atom-engine";
    ${setup}
    const repeat = async (times) => {
      for (let index = 0; index < times; index += ${atOnce}) {
        await Promise.all(Array.from({ length: ${atOnce} }, async () => { ${repeated} }));
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
    await repeat(${before});
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
  const { rss, heap } = await growth(setup, repeated, { before: 5_000, times: 10_000, atOnce: 100 });
  t.diagnostic(`grown by ${rss.toFixed(1)} MiB, of which heap ${heap.toFixed(1)} MiB`);
  // 10,000 texts of 1,000 characters would be 10 MiB.
  assert.ok(heap < 1, `the heap grew by ${heap} MiB`);
  assert.ok(rss < 8, `the process grew by ${rss} MiB`);
});

test("engines that were closed leave nothing behind", async (t) => {
  const { rss, heap } = await growth("", `await (await open({ storage: "memory" })).close();`, {
    // The allocator keeps folding in new threads for a while.
    before: 800,
    times: 300,
    atOnce: 1,
  });
  t.diagnostic(`grown by ${rss.toFixed(1)} MiB, of which heap ${heap.toFixed(1)} MiB`);
  assert.ok(heap < 1, `the heap grew by ${heap} MiB`);
  assert.ok(rss < 16, `the process grew by ${rss} MiB`);
});
