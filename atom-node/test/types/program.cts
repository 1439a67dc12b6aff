import atom = require("atom-engine");

async function main(): Promise<void> {
  const engine: atom.Engine = await atom.open({ storage: "memory" });
  const info: atom.EngineInfo = await engine.engine.info();
  console.log(info.version);
  await engine[Symbol.asyncDispose]();
}

void main();
