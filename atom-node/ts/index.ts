export type * from "../generated/types.js";
export * from "../generated/errors.js";
export type { CallOptions } from "./connection.js";
export { Actor, Engine, open, type HttpOptions, type OpenOptions, type Principal } from "./engine.js";
export { AtomError, type AtomErrorDetails } from "./errors.js";
export type { FunctionCall, FunctionContext, FunctionOptions, HostFunction } from "./host.js";
export { isAtomError } from "./report.js";
export { Stream } from "./stream.js";
