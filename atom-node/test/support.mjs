import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { open } from "atom-engine";

export const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

/** A workflow with these tasks, as JSON. */
export function workflow(...tasks) {
  const document = { dsl: "1.0.3", namespace: "default", name: "test", version: "0.1.0" };
  return JSON.stringify({ document, do: tasks });
}

/** A workflow that calls one function with its input. */
export function calling(name) {
  return workflow({ step: { call: name, with: { input: "${ . }" } } });
}

/** An engine in memory that is closed after the test. */
export async function engineFor(test, options = {}) {
  const engine = await open({ storage: "memory", closeGraceMs: 1_000, ...options });
  test.after(() => engine.close());
  return engine;
}

/** A folder that is removed after the test. */
export function folderFor(test) {
  const folder = mkdtempSync(join(tmpdir(), "atom-node-"));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs JavaScript in a process of its own and gives what it printed; it must end by itself. */
export function runProcess(script, { args = [], env, expect } = {}) {
  return runNode([...args, "--input-type=module", "--eval", script], { env, expect });
}

/** Runs Node with these arguments and gives what it printed. */
export function runNode(args, { env = {}, expect = { code: 0, signal: null } } = {}) {
  const child = spawn(process.execPath, args, {
    cwd: PACKAGE,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (errors += data));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === expect.code && signal === expect.signal) {
        resolve(output);
      } else {
        reject(new Error(`the process ended with code ${code}, signal ${signal}:\n${output}${errors}`));
      }
    });
  });
}
