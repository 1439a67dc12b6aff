import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The bridge of the engine: JSON text in, messages out. */
export interface Bridge {
  setWaker(waker: () => void): void;
  submit(operation: string, principal: string, request: string): number;
  cancel(id: number): void;
  pause(id: number): void;
  resume(id: number): void;
  registerFunction(info: string): void;
  unregisterFunction(name: string): boolean;
  reply(call: number, reply: string): void;
  drain(max: number): string[];
  close(graceMs: number): Promise<void>;
}

interface Addon {
  Bridge: { open(config: string): Promise<Bridge> };
}

const FOLDER = join(__dirname, "..", "..", "native");

let addon: Addon | undefined;

/** The native part of this package, loaded when it is first needed. */
export function load(): Addon {
  addon ??= require(find()) as Addon;
  return addon;
}

function find(): string {
  const name = `atom.${process.platform}-${process.arch}${isMusl() ? "-musl" : ""}.node`;
  const path = join(FOLDER, name);
  if (existsSync(path)) {
    return path;
  }
  const others = existsSync(FOLDER) ? readdirSync(FOLDER).filter((file) => file.endsWith(".node")) : [];
  const found = others.length > 0 ? ` (there is ${others.join(", ")}, for another platform)` : "";
  throw new Error(
    `The native part of atom-engine is missing: ${path}${found}. Run 'npm run build' in the folder of the package, ` +
      `which needs a Rust toolchain. If the package was bundled, keep it out of the bundle: in Next.js with ` +
      `serverExternalPackages: ["atom-engine"].`,
  );
}

function isMusl(): boolean {
  if (process.platform !== "linux") {
    return false;
  }
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}
