// Carries out the cases in `tests/conformance`, which every host language shares, through the typed methods.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { isAtomError, open } from "atom-engine";

import { check, expand, ROOT } from "./patterns.mjs";
import { folderFor } from "./support.mjs";

const FOLDER = join(ROOT, "tests", "conformance");

const CASE_KEYS = new Set(["name", "cli", "config", "functions", "steps"]);
const CALL_KEYS = new Set(["call", "as", "with", "expect", "error"]);
const STREAM_KEYS = new Set(["stream", "as", "with", "take", "during", "expect", "error"]);

const FUNCTIONS = {
  "conformance.echo": (arguments_) => arguments_,
  "conformance.context": (_, { context }) => ({
    tenant: context.tenant,
    user: context.user,
    task: context.task ?? null,
  }),
  "conformance.fail": async ({ message }) => {
    throw new RangeError(message);
  },
  "conformance.hang": (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", resolve)),
};

for (const name of readdirSync(FOLDER).filter((name) => name.endsWith(".json"))) {
  const file = JSON.parse(readFileSync(join(FOLDER, name), "utf8"));
  for (const case_ of file.cases) {
    test(`${file.name}: ${case_.name}`, async (t) => {
      hasOnly(case_, CASE_KEYS);
      const names = { root: ROOT, temp: realpathSync(folderFor(t)) };
      for (const [name, value] of Object.entries(file.values ?? {})) {
        names[name] = expand(value, names);
      }
      await new Runner(case_, names).carryOut();
    });
  }
}

class Runner {
  constructor(case_, names) {
    this.case = case_;
    this.names = names;
    this.options = camelCase({ storage: "memory", ...expand(case_.config ?? {}, names) });
  }

  async carryOut() {
    await this.open();
    try {
      for (const step of this.case.steps) {
        await this.take(step);
      }
    } finally {
      await this.engine.close();
    }
  }

  async open() {
    this.engine = await open(this.options);
    for (const name of this.case.functions ?? []) {
      this.engine.function(name, FUNCTIONS[name]);
    }
  }

  async take(step) {
    if ("call" in step) {
      await this.call(step);
    } else if ("stream" in step) {
      await this.stream(step);
    } else {
      assert.deepEqual(step, { reopen: true });
      await this.engine.close();
      await this.open();
    }
  }

  async call(step) {
    hasOnly(step, CALL_KEYS);
    assert.notEqual("expect" in step, "error" in step);
    const { method, request } = this.prepare(step, step.call);
    const outcome = await method(request).then(
      (answer) => ({ answer }),
      (error) => ({ error }),
    );
    if ("error" in step && "error" in outcome) {
      this.check(step.error, report(outcome.error), step.call);
    } else if ("error" in outcome) {
      throw outcome.error;
    } else {
      assert.ok("expect" in step, `${step.call} succeeds: ${JSON.stringify(outcome.answer)}`);
      this.check(step.expect, outcome.answer, step.call);
    }
  }

  async stream(step) {
    hasOnly(step, STREAM_KEYS);
    const { method, request } = this.prepare(step, step.stream);
    const stream = method(request);
    for (const inner of step.during ?? []) {
      await this.take(inner);
    }
    const items = [];
    let failure;
    try {
      while (items.length !== step.take) {
        const { done, value } = await stream.next();
        if (done) break;
        items.push(value);
      }
    } catch (error) {
      failure = error;
    }
    await stream.return();
    this.check(step.expect, items, step.stream);
    if ("error" in step) {
      assert.ok(failure !== undefined, `${step.stream} ends well`);
      this.check(step.error, report(failure), step.stream);
    } else if (failure !== undefined) {
      throw failure;
    }
  }

  /** The typed method of an operation, or the call by name where there is none. */
  prepare(step, operation) {
    const as = step.as && expand(step.as, this.names);
    const actor = as ? this.engine.actingAs(as) : this.engine;
    const [group, name] = operation.split(".");
    const byName = (request) => ("call" in step ? actor.call : actor.subscribe).call(actor, operation, request);
    const isTyped = typeof actor[group]?.[name] === "function";
    const method = isTyped ? (request) => actor[group][name](request) : byName;
    return { method, request: expand(step.with ?? {}, this.names) };
  }

  check(pattern, value, path) {
    check(expand(pattern, this.names), value, this.names, path);
  }
}

function hasOnly(object, keys) {
  for (const key of Object.keys(object)) {
    assert.ok(keys.has(key), `unknown key '${key}'`);
  }
}

function camelCase(config) {
  const key = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
  const keys = (object) => Object.fromEntries(Object.entries(object).map(([name, value]) => [key(name), value]));
  return { ...keys(config), ...(config.http && { http: keys(config.http) }) };
}

function report(error) {
  assert.ok(isAtomError(error), String(error?.stack));
  const cause = [];
  for (let below = error.cause; below !== undefined; below = below.cause) {
    cause.push(below.message);
  }
  const { code, retry, operation = null, message, context } = error;
  return { code, retry, operation, message, context, cause };
}
