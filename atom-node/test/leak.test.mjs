import assert from "node:assert/strict";
import { test } from "node:test";

import { runProcess } from "./support.mjs";

/**
 * Measures what repeating something adds to the memory of a process: the smallest growth of several rounds, as a leak
 * grows in every one of them, and an allocator that still settles does not. One arena, as glibc otherwise keeps
 * freed memory apart for every thread that ever ran.
 */
async function growth(setup, repeated, { rounds, times, atOnce }) {
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
    const measures = [];
    for (let round = 0; round <= ${rounds}; round += 1) {
      await repeat(${times});
      measures.push(await measure());
    }
    const smallest = (field) =>
      Math.min(...measures.slice(1).map((measure, index) => measure[field] - measures[index][field]));
    console.log(JSON.stringify({ rss: smallest("rss"), heap: smallest("heapUsed") }));`;
  const env = { MALLOC_ARENA_MAX: "1" };
  const grown = JSON.parse(await runProcess(script, { args: ["--expose-gc"], env }));
  return { rss: grown.rss / 2 ** 20, heap: grown.heap / 2 ** 20 };
}

test("calls leave nothing behind", async (t) => {
  const setup = `
    const engine = await open({ storage: "memory" });
    const { signal } = new AbortController();
    engine.function("texts.echo", (text) => text);`;
  const repeated = `
    await engine.functions.call({ name: "texts.echo", arguments: ["x".repeat(1000)] }, { signal });
    await engine.call("nothing.there").catch(() => {});
    await engine.events.subscribe().return();`;
  const { rss, heap } = await growth(setup, repeated, { rounds: 5, times: 3_000, atOnce: 100 });
  t.diagnostic(`grown by ${rss.toFixed(1)} MiB, of which heap ${heap.toFixed(1)} MiB`);
  // 3,000 texts of 1,000 characters would be 3 MiB.
  assert.ok(heap < 1, `the heap grew by ${heap} MiB`);
  assert.ok(rss < 2, `the process grew by ${rss} MiB`);
});

test("engines that were closed leave nothing behind", async (t) => {
  const { rss, heap } = await growth("", `await (await open({ storage: "memory" })).close();`, {
    rounds: 6,
    times: 200,
    atOnce: 1,
  });
  t.diagnostic(`grown by ${rss.toFixed(1)} MiB, of which heap ${heap.toFixed(1)} MiB`);
  // 200 engines that kept 20 KiB each would be 4 MiB.
  assert.ok(heap < 1, `the heap grew by ${heap} MiB`);
  assert.ok(rss < 4, `the process grew by ${rss} MiB`);
});
