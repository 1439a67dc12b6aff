// The morning briefing from a TypeScript program: opens an engine, runs the workflow and prints the page.
//
//     npm install && npm start --silent [folder]

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { open } from "atom-engine";

interface Briefing {
  text: string;
  path: string;
}

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, "..", ".."));

// Local connectors may touch this folder and nothing else.
const engine = await open({ storage: "memory", fileRoots: [folder] });
try {
  const run = await engine.runs.start({
    document: await readFile(join(folder, "workflow.yaml"), "utf8"),
    input: {},
    directory: folder,
    wait: true,
  });
  if (run.status === "completed") {
    process.stdout.write((run.output as Briefing).text);
  } else {
    console.error(`the run ended as ${run.status}: ${run.error?.detail}`);
    process.exitCode = 1;
  }
} finally {
  await engine.close();
}
