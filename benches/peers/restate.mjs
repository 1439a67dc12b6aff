// Restate, its server and a service beside it on loopback: answers each line of input with the seconds that the work took.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

// The SDK needs it, and Node has it from version 22 on.
Promise.withResolvers ??= () => {
  let settle;
  const promise = new Promise((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
};

const [modules, folder, ...numbers] = process.argv.slice(2);
const [sequential, runs, steps] = numbers.map(Number);
const restate = createRequire(join(modules, "package.json"))("@restatedev/restate-sdk");

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const [service, ingress, admin, node] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
const bench = restate.service({
  name: "bench",
  handlers: {
    sequence: async (context, count) => {
      for (let number = 0; number < count; number += 1) {
        await context.run("noop", () => ({ n: number }));
      }
      return count;
    },
  },
});
await restate.endpoint().bind(bench).setLogger(() => {}).listen(service);

const server = spawn(join(modules, "node_modules/.bin/restate-server"), ["--base-dir", folder, "--node-name", "bench"], {
  env: {
    ...process.env,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
    RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
    DO_NOT_TRACK: "1",
    RESTATE_DISABLE_TELEMETRY: "true",
  },
  stdio: "ignore",
  // A group of its own, because what is started here starts the server.
  detached: true,
});
process.on("exit", () => process.kill(-server.pid, "SIGKILL"));
process.on("SIGTERM", () => process.exit(1));

async function post(port, path, body) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const patience = Date.now() + 60_000;
for (;;) {
  try {
    await post(admin, "/deployments", { uri: `http://127.0.0.1:${service}` });
    break;
  } catch (error) {
    if (Date.now() > patience || server.exitCode !== null) throw error;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function run(count) {
  if ((await post(ingress, "/bench/sequence", count)) !== count) throw new Error("a run gave something else");
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const started = performance.now();
  if (line.trim() === "sequential") {
    await run(sequential);
  } else {
    await Promise.all(Array.from({ length: runs }, () => run(steps)));
  }
  console.log((performance.now() - started) / 1000);
}
process.exit(0);
