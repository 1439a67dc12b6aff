const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const { join } = require("node:path");
const { test } = require("node:test");

const atom = require("atom-engine");

test("CommonJS and ES modules are the same package", async () => {
  const imported = await import("atom-engine");
  assert.equal(imported.AtomError, atom.AtomError);
  assert.equal(imported.open, atom.open);
  assert.equal(typeof imported.NotFoundError, "function");
});

test("a program in CommonJS opens an engine", async () => {
  const engine = await atom.open({ storage: "memory" });
  const error = await engine.runs.get({ id: "00000000-0000-7000-8000-000000000000" }).catch((error) => error);
  assert.ok(error instanceof atom.NotFoundError);
  assert.ok(atom.isAtomError(error, "not_found"));
  assert.ok(!atom.isAtomError(error, "closed"));
  assert.ok(!atom.isAtomError(Object.assign(new Error("x"), { code: "ENOENT" })));
  assert.match(error.stack, /package\.test\.cjs/);
  await engine.close();
});

test("the declared types fit programs in both module systems", () => {
  const compiler = require.resolve("typescript/bin/tsc");
  const project = join(__dirname, "types");
  const { status, stdout } = spawnSync(process.execPath, [compiler, "--project", project], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
});

test("where the native part is missing, the error says what to do", () => {
  const script = `
    Object.defineProperty(process, "arch", { value: "pdp11" });
    require("atom-engine").open({ storage: "memory" }).catch((error) => console.log(error.message));`;
  const { stdout } = spawnSync(process.execPath, ["--eval", script], { cwd: __dirname, encoding: "utf8" });
  assert.match(stdout, /pdp11.*npm run build.*serverExternalPackages/s);
});
