import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

import { open } from "atom-engine";

import { calling, folderFor, PACKAGE, runNode, runProcess } from "./support.mjs";

const OPEN = `
  import { open } from "atom-engine";
  const engine = await open({ storage: "memory" });
  engine.function("nobody.answers", () => new Promise(() => {}));
  const document = ${JSON.stringify(calling("nobody.answers"))};
`;

test("a process that forgot to close ends by itself", async () => {
  assert.equal(await runProcess(`${OPEN} console.log((await engine.engine.info()).name);`), "atom\n");
});

test("a run or an idle stream does not keep a process alive, whoever waits does", async () => {
  await runProcess(`${OPEN} await engine.runs.start({ document }); engine.events.subscribe();`);
  const script = `${OPEN}
    const waiting = engine.events.subscribe().next();
    setTimeout(() => engine.events.publish({ event: { type: "com.example.woken" } }), 20).unref();
    console.log((await waiting).value.event.type);`;
  assert.equal(await runProcess(script), "com.example.woken\n");
});

test("a process may exit with calls under way", async () => {
  const busy = `${OPEN}
    for (let index = 0; index < 200; index += 1) {
      engine.functions.call({ name: "nobody.answers" }).catch(() => {});
      engine.runs.start({ document }).catch(() => {});
      engine.events.subscribe().next().catch(() => {});
    }`;
  await runProcess(`${busy} process.exit(0);`);
  await runProcess(`${busy} setImmediate(() => process.exit(0));`);
  await runProcess(`${busy} engine.close(); process.exit(0);`);
  await runProcess(`${busy} throw new Error("on purpose");`, { expect: { code: 1, signal: null } });
  await runProcess(`${busy} process.kill(process.pid);`, { expect: { code: null, signal: "SIGTERM" } });
  await runProcess(`import { open } from "atom-engine"; open({ storage: "memory" }); process.exit(0);`);
});

test("a forked process opens an engine of its own", async () => {
  const script = `
    import cluster from "node:cluster";
    import { open } from "atom-engine";
    const engine = await open({ storage: "memory" });
    if (cluster.isPrimary) {
      const worker = cluster.fork();
      worker.on("message", ({ name }) => console.log(name));
      worker.on("exit", (code) => (process.exitCode = code));
    } else {
      process.send(await engine.engine.info(), () => process.disconnect());
    }`;
  assert.equal(await runFile(script), "atom\n");
});

/** `cluster` starts the program's file again, so it must be one. */
async function runFile(script) {
  const folder = mkdtempSync(join(PACKAGE, "test", "cluster-"));
  try {
    writeFileSync(join(folder, "main.mjs"), script);
    return await runNode([join(folder, "main.mjs")]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const WORKER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { open } = require("atom-engine");
  open(workerData).then(async (engine) => {
    engine.function("nobody.answers", () => new Promise(() => {}));
    engine.functions.call({ name: "nobody.answers" }).catch(() => {});
    engine.events.subscribe().next().catch(() => {});
    parentPort.postMessage((await engine.engine.info()).name);
  });
`;

function worker(workerData) {
  return new Worker(WORKER, { eval: true, workerData });
}

test("workers load, use and are terminated with calls under way, and free their folders", async (t) => {
  const folders = Array.from({ length: 4 }, () => folderFor(t));
  await Promise.all(
    folders.map(async (dataDir) => {
      for (let round = 0; round < 3; round += 1) {
        const thread = worker({ dataDir });
        assert.deepEqual(await once(thread, "message"), ["atom"]);
        await thread.terminate();
      }
      await (await open({ dataDir })).close();
    }),
  );
});

test("a worker may be terminated at any moment, and the program's own engine goes on", async (t) => {
  const engine = await open({ storage: "memory" });
  t.after(() => engine.close());
  for (let round = 0; round < 20; round += 1) {
    const thread = worker({ storage: "memory" });
    await once(thread, "online");
    for (let turn = 0; turn < round; turn += 1) {
      await new Promise(setImmediate);
    }
    await thread.terminate();
    assert.equal((await engine.engine.health()).status, "ok");
  }
});
