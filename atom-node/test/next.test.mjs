import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { PACKAGE } from "./support.mjs";

const FIXTURE = join(PACKAGE, "test", "next");
const ENVIRONMENT = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" };

/** Why Next.js cannot be had, or nothing. */
function install() {
  const { dependencies } = JSON.parse(readFileSync(join(FIXTURE, "package.json"), "utf8"));
  const installed = join(FIXTURE, "node_modules", "next", "package.json");
  if (!existsSync(installed) || JSON.parse(readFileSync(installed, "utf8")).version !== dependencies.next) {
    const args = ["install", "--no-audit", "--no-fund", "--no-package-lock"];
    const { status } = spawnSync("npm", args, {
      cwd: FIXTURE,
      stdio: "ignore",
      timeout: 50_000,
      shell: process.platform === "win32",
    });
    if (status !== 0) {
      return "Next.js could not be installed";
    }
  }
  // As it would be installed from a registry, not as a link into this folder.
  const target = join(FIXTURE, "node_modules", "atom-engine");
  rmSync(target, { recursive: true, force: true });
  for (const part of ["package.json", "dist", "native"]) {
    cpSync(join(PACKAGE, part), join(target, part), { recursive: true });
  }
  return undefined;
}

function next(...args) {
  const bin = join(FIXTURE, "node_modules", "next", "dist", "bin", "next");
  return spawn(process.execPath, [bin, ...args], { cwd: FIXTURE, env: ENVIRONMENT, stdio: "pipe" });
}

test("a route handler of Next.js uses the engine", { timeout: 180_000 }, async (t) => {
  const missing = install();
  if (missing !== undefined) {
    assert.notEqual(process.env.CI, "true", missing);
    t.skip(missing);
    return;
  }
  const build = next("build");
  let printed = "";
  build.stdout.on("data", (data) => (printed += data));
  build.stderr.on("data", (data) => (printed += data));
  const code = await new Promise((resolve) => build.on("close", resolve));
  assert.equal(code, 0, printed);

  const server = next("start", "--port", "0", "--hostname", "127.0.0.1");
  t.after(() => server.kill());
  const address = await new Promise((resolve, reject) => {
    let output = "";
    const read = (data) => {
      output += data;
      const found = /http:\/\/127\.0\.0\.1:(?!0\b)\d+/.exec(output);
      if (found) resolve(found[0]);
    };
    server.stdout.on("data", read);
    server.stderr.on("data", read);
    server.on("close", () => reject(new Error(output)));
  });
  const greet = async (name) => {
    const response = await fetch(`${address}/api/greet`, { method: "POST", body: JSON.stringify({ name }) });
    return response.json();
  };
  assert.deepEqual(await Promise.all(["Ada", "Grace"].map(greet)), [
    { greeting: "Hello Ada" },
    { greeting: "Hello Grace" },
  ]);
});
