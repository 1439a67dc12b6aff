import assert from "node:assert/strict";
import { test } from "node:test";

import { Engine, open } from "atom-engine";

import { calling, engineFor, folderFor, workflow } from "./support.mjs";

test("an engine keeps its data from one opening to the next", async (t) => {
  const dataDir = folderFor(t);
  const engine = await open({ dataDir });
  const document = workflow({ greet: { set: { greeting: '${ "Hello " + .name }' } } });
  const run = await engine.runs.start({ document, input: { name: "Ada" }, wait: true });
  assert.deepEqual(run.output, { greeting: "Hello Ada" });
  await engine.close();
  await engine.close();

  const again = await Engine.open({ dataDir });
  t.after(() => again.close());
  assert.deepEqual(await again.runs.get({ id: run.id }), run);
  assert.equal((await again.engine.info()).data_dir, dataDir);
});

test("a folder that is in use is locked until its engine is closed", async (t) => {
  const dataDir = folderFor(t);
  const first = await open({ dataDir });
  await assert.rejects(open({ dataDir }), { name: "LockedError", code: "locked", operation: "engine.open" });
  await first.close();
  await (await open({ dataDir })).close();
});

test("a configuration that does not fit is refused by name", async () => {
  await assert.rejects(open({ storage: "paper" }), { code: "invalid_request", message: /storage/ });
  await assert.rejects(open({ dataDirectory: "x" }), { code: "invalid_request", message: /data_directory/ });
  await assert.rejects(open({ http: { timeoutSeconds: 0 } }), { code: "invalid_request", message: /timeout/ });
});

test("a database that cannot be reached is told without its password", async (t) => {
  const options = { dataDir: folderFor(t), storage: "postgres://ada:pass-7@127.0.0.1:1/app" };
  await assert.rejects(open(options), (error) => {
    assert.equal(error.code, "unavailable");
    assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes("pass-7"));
    return true;
  });
});

test("the options reach the engine", async (t) => {
  const engine = await engineFor(t, {
    tenant: "acme",
    user: "ada",
    roles: ["starter"],
    permissions: { starter: ["runs.write", "functions.call"] },
    http: { hosts: { "api.example.com": "http://127.0.0.1:9" }, connectTimeoutSeconds: 1 },
    processes: { script: true, containerSocket: "/run/podman/podman.sock" },
    defaultCatalog: "https://example.com/catalog",
    lifecycleEvents: "all",
    alertIntervalMs: 1000,
  });
  engine.function("who.am_i", (_, { context }) => `${context.tenant}/${context.user}/${context.roles}`);
  const { output } = await engine.functions.call({ name: "who.am_i" });
  assert.equal(output, "acme/ada/starter");
  await assert.rejects(engine.runs.list(), { name: "PermissionDeniedError", code: "permission_denied" });
});

test("an actor sees what is its own", async (t) => {
  const engine = await engineFor(t);
  const document = workflow({ nothing: { set: { a: 1 } } });
  const ada = engine.actingAs({ tenant: "acme", user: "ada" });
  const run = await ada.runs.start({ document, wait: true });
  assert.equal((await ada.runs.list()).items.length, 1);

  await assert.rejects(engine.runs.get({ id: run.id }), { code: "not_found" });
  const grace = engine.actingAs({ tenant: "acme", user: "grace", roles: ["viewer"] });
  assert.equal((await grace.runs.list()).items.length, 0);
  await assert.rejects(grace.runs.start({ document }), { code: "permission_denied" });
  await assert.rejects(engine.actingAs({ tenant: "", user: "" }).runs.list(), { code: "invalid_request" });
});

test("operations can be called by name", async (t) => {
  const engine = await engineFor(t);
  assert.equal((await engine.call("engine.info")).name, "atom");
  await assert.rejects(engine.call("engine.inf"), { code: "not_found", message: /engine\.info/ });
  await assert.rejects(engine.call("events.subscribe"), { code: "invalid_request", message: /subscribe/ });
  await assert.rejects(engine.subscribe("engine.info").next(), { code: "invalid_request", message: /call/ });
  await assert.rejects(engine.subscribe("engine.inf").next(), { code: "not_found" });
});

test("many calls at once each get their own answer", async (t) => {
  const engine = await engineFor(t);
  engine.function("numbers.double", ({ number }) => number * 2);
  const calls = Array.from({ length: 500 }, (_, number) =>
    engine.functions.call({ name: "numbers.double", arguments: { number } }),
  );
  const outputs = (await Promise.all(calls)).map(({ output }) => output);
  assert.deepEqual(outputs, Array.from({ length: 500 }, (_, number) => number * 2));
});

test("texts of every kind survive the way there and back", async (t) => {
  const engine = await engineFor(t);
  engine.function("texts.echo", (text) => text);
  for (const text of ["", "\u0000", "naïve 🎻 \u2028", '"\\', "x".repeat(1_000_000)]) {
    const { output } = await engine.functions.call({ name: "texts.echo", arguments: [text] });
    assert.deepEqual(output, [text]);
  }
  const half = engine.functions.call({ name: "texts.echo", arguments: ["\ud800"] });
  await assert.rejects(half, { code: "invalid_request" });
});

test("a request without a JSON form is refused", async (t) => {
  const engine = await engineFor(t);
  const circle = {};
  circle.self = circle;
  for (const input of [circle, 1n]) {
    await assert.rejects(engine.runs.start({ document: calling("a.b"), input }), {
      code: "invalid_request",
      operation: "runs.start",
    });
  }
});

test("what is under way when the engine closes ends with 'closed', and so does what comes later", async (t) => {
  const engine = await engineFor(t, { closeGraceMs: 100 });
  engine.function("nobody.answers", () => new Promise(() => {}));
  const call = engine.functions.call({ name: "nobody.answers" });
  const run = await engine.runs.start({ document: calling("nobody.answers") });
  const wait = engine.runs.get({ id: run.id, wait: true });
  const next = engine.events.subscribe().next();
  const ended = Promise.allSettled([call, wait, next]);
  await engine.close();
  const codes = (await ended).map(({ reason }) => reason.code);
  assert.deepEqual(codes, ["closed", "closed", "closed"]);

  await assert.rejects(engine.engine.info(), { name: "ClosedError", operation: "engine.info" });
  await assert.rejects(engine.events.subscribe().next(), { code: "closed" });
});

test("'await using' closes the engine", async (t) => {
  const dataDir = folderFor(t);
  const engine = await open({ dataDir });
  await engine[Symbol.asyncDispose]();
  await (await open({ dataDir })).close();
});
