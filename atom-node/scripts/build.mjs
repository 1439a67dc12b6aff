// Compiles the package: TypeScript to dist/, and the native addon with cargo to native/.
//
// ATOM_NODE_PROFILE=dev builds the addon without optimisation, into the same folders as the Rust tests.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
const profile = process.env.ATOM_NODE_PROFILE ?? "release";

function run(command, args, options = {}) {
  const { status, error, stdout } = spawnSync(command, args, { cwd: folder, stdio: "inherit", ...options });
  if (error?.code === "ENOENT") {
    throw new Error(`'${command}' is missing; building atom-engine needs Node with npm and a Rust toolchain`);
  }
  if (error || status !== 0) {
    throw error ?? new Error(`'${command} ${args.join(" ")}' failed`);
  }
  return stdout;
}

function compileTypeScript() {
  const compiler = join(folder, "node_modules", "typescript", "bin", "tsc");
  if (!existsSync(compiler)) {
    // npm does not install the tools of a package that is linked from a folder.
    const npm = process.env.npm_execpath;
    const args = ["ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund"];
    npm ? run(process.execPath, [npm, ...args]) : run("npm", args, { shell: process.platform === "win32" });
  }
  rmSync(join(folder, "dist"), { recursive: true, force: true });
  run(process.execPath, [compiler]);
}

function compileAddon() {
  const args = ["build", "--locked", "-p", "atom-node", `--profile=${profile}`];
  const output = run("cargo", [...args, "--message-format=json-render-diagnostics"], {
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 2 ** 28,
    encoding: "utf8",
  });
  const artifact = output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))
    .find((message) => message.reason === "compiler-artifact" && message.target.name === "atom_node");
  const library = artifact.filenames.find((file) => /\.(so|dylib|dll)$/.test(file));
  const isMusl = process.platform === "linux" && !process.report.getReport().header.glibcVersionRuntime;
  const name = `atom.${process.platform}-${process.arch}${isMusl ? "-musl" : ""}.node`;
  const target = join(folder, "native", name);
  mkdirSync(dirname(target), { recursive: true });
  // Renamed into place: a process may have the old one loaded.
  copyFileSync(library, `${target}.new`);
  renameSync(`${target}.new`, target);
}

try {
  compileTypeScript();
  compileAddon();
} catch (error) {
  console.error(`atom-engine was not built: ${error.message}`);
  process.exitCode = 1;
}
