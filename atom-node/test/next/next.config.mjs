export default {
  serverExternalPackages: ["atom-engine"],
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
};
