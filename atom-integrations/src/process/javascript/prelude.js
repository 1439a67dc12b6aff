// What a script finds besides the language itself: a small part of Node's interface, over the few functions of `host`.
// Everything that is used later is taken now, so that a script which alters the built-in objects harms itself alone.
(host) => {
  'use strict';
  const { Error, TypeError, Function, JSON, Map, Number, Object, Proxy, String } = globalThis;
  const { stringify } = JSON;
  const { freeze, prototype: { toString: tag } } = Object;
  const bound = (method) => Function.prototype.call.bind(method);
  const describe = bound(tag);
  const wellFormed = bound(String.prototype.toWellFormed);

  const withoutBigint = (_, value) => (typeof value === 'bigint' ? `${value}` : value);
  const shown = (value) => {
    switch (typeof value) {
      case 'string':
        return value;
      case 'bigint':
        return `${value}n`;
      case 'function':
        return `[Function: ${value.name}]`;
      case 'object':
        if (value === null) return 'null';
        if (value instanceof Error) return value.stack ? `${value}\n${value.stack}` : `${value}`;
        try {
          return stringify(value, withoutBigint) ?? describe(value);
        } catch {
          return describe(value);
        }
      default:
        return String(value);
    }
  };
  const line = (values) => {
    let text = '';
    for (let index = 0; index < values.length; index += 1) text += (index ? ' ' : '') + shown(values[index]);
    return `${text}\n`;
  };
  const write = (stream, text) => host.write(stream, wellFormed(text));
  const log = (...values) => write(1, line(values));
  const warn = (...values) => write(2, line(values));

  const unavailable = (name) => () => {
    throw new Error(`${name} is not available: a script has no files and no network; only readFileSync of its standard input is`);
  };
  let isRead = false;
  const readFileSync = (file, options) => {
    if (file !== 0 && file !== '/dev/stdin') unavailable(`readFileSync of '${String(file)}'`)();
    const encoding = typeof options === 'string' ? options : options?.encoding;
    if (encoding != null && encoding !== 'utf8' && encoding !== 'utf-8') {
      throw new TypeError(`the encoding '${String(encoding)}' is not available; use 'utf8'`);
    }
    const text = isRead ? '' : host.stdin();
    isRead = true;
    if (encoding != null) return text;
    const bytes = host.bytes(text);
    bytes.toString = () => text;
    return bytes;
  };

  const stream = (number) => freeze({
    fd: number,
    isTTY: false,
    write: (text) => {
      if (typeof text !== 'string') throw new TypeError('only text can be written');
      write(number, text);
      return true;
    },
  });
  const process = {
    argv: ['atom', 'script.js', ...host.arguments],
    env: host.environment,
    exitCode: undefined,
    exit: (code) => host.exit(Number(code ?? process.exitCode ?? 0) | 0),
    stdin: freeze({ fd: 0, isTTY: false }),
    stdout: stream(1),
    stderr: stream(2),
  };
  globalThis.process = process;
  globalThis.console = { log, info: log, debug: log, warn, error: warn };

  const fs = { __proto__: null, readFileSync };
  for (const name of host.missing) fs[name] = unavailable(name);
  const whole = new Proxy(freeze(fs), {
    get: (target, name) => target[name] ?? (typeof name === 'string' ? unavailable(name) : undefined),
  });

  // Rejections that nobody handles are found when everything else is done, as in Node.
  const rejections = new Map();
  const [has, set, remove, values] = ['has', 'set', 'delete', 'values'].map((name) => bound(Map.prototype[name]));
  return {
    modules: { fs: whole, process },
    rejected: (promise, reason, isHandled) => {
      if (!isHandled) set(rejections, promise, reason);
      else if (has(rejections, promise)) remove(rejections, promise);
    },
    unhandled: () => {
      for (const reason of values(rejections)) return `Uncaught (in promise) ${shown(reason)}\n`;
      return undefined;
    },
    // Without memory for an error, the engine throws null.
    uncaught: (error) => (error === null ? 'Uncaught null: it was thrown, or the memory is used up\n' : `Uncaught ${shown(error)}\n`),
    exitCode: () => Number(process.exitCode ?? 0) | 0,
  };
}
