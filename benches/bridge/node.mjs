// The cost of one call from Node: engine.info, awaited one after the other and a hundred at a time.

import { open } from "../../atom-node/dist/ts/index.mjs";

const CALLS = 2_000;
const ROUNDS = 5;

const median = (samples) => samples.sort((left, right) => left - right)[Math.floor(samples.length / 2)];
const show = (what, value) => console.log(`${what.padEnd(52)} ${value.toFixed(2).padStart(10)} us`);

const engine = await open({ storage: "memory" });
await engine.engine.info();
const [one, many] = [[], []];
for (let round = 0; round < ROUNDS; round++) {
  let started = performance.now();
  for (let call = 0; call < CALLS; call++) await engine.engine.info();
  one.push(((performance.now() - started) * 1e3) / CALLS);
  started = performance.now();
  for (let batch = 0; batch < CALLS / 100; batch++) {
    await Promise.all(Array.from({ length: 100 }, () => engine.engine.info()));
  }
  many.push(((performance.now() - started) * 1e3) / CALLS);
}
show("node, engine.info, one at a time", median(one));
show("node, engine.info, 100 at a time", median(many));
await engine.close();
