// Values and patterns of the conformance cases; `tests/conformance/README.md` defines them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { PACKAGE } from "./support.mjs";

export const ROOT = dirname(dirname(join(PACKAGE, "package.json")));

const ABSENT = Symbol("absent");

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The value with everything put in place. */
export function expand(value, names) {
  if (typeof value === "string") {
    const whole = /^\{\{([a-z_]+)\}\}$/.exec(value);
    return whole
      ? named(whole[1], names)
      : value.replaceAll(/\{\{([a-z_]+)\}\}/g, (_, name) => text(named(name, names)));
  }
  if (Array.isArray(value)) {
    return value.map((item) => expand(item, names));
  }
  if (!isObject(value)) {
    return value;
  }
  if ("$lines" in value) {
    return value.$lines.map((line) => `${text(expand(line, names))}\n`).join("");
  }
  if ("$repeat" in value) {
    return text(expand(value.$repeat, names)).repeat(value.$times);
  }
  if ("$nest" in value) {
    let nested = null;
    for (let depth = 0; depth < value.$nest; depth += 1) {
      nested = [nested];
    }
    return nested;
  }
  if ("$file" in value) {
    return readFileSync(join(ROOT, value.$file), "utf8");
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, names)]));
}

/** Compares a value with an expanded pattern; throws an assertion error that says where they differ, and how. */
export function check(pattern, value, names, path) {
  if (isObject(pattern) && Object.keys(pattern).some((key) => key.startsWith("$"))) {
    const entries = Object.entries(pattern);
    assert.equal(entries.length, 1, `${path}: one matcher at a time`);
    apply(...entries[0], value, names, path);
  } else if (isObject(pattern) && isObject(value)) {
    for (const [key, inner] of Object.entries(pattern)) {
      check(inner, Object.hasOwn(value, key) ? value[key] : ABSENT, names, `${path}/${key}`);
    }
  } else if (Array.isArray(pattern) && Array.isArray(value)) {
    assert.equal(value.length, pattern.length, `${path} has ${value.length} elements: ${shown(value)}`);
    pattern.forEach((inner, index) => check(inner, value[index], names, `${path}/${index}`));
  } else {
    assert.ok(isDeepStrictEqual(pattern, value), `${path} is not ${shown(pattern)}: ${shown(value)}`);
  }
}

const TYPES = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  array: Array.isArray,
  object: isObject,
  null: (value) => value === null,
};

const MATCHERS = {
  $any: () => true,
  $type: (type, value) => TYPES[type](value),
  $regex: (expression, value) => typeof value === "string" && new RegExp(expression, "u").test(value),
  $length: (length, value) => Array.isArray(value) && value.length === length,
  $lacks: (part, value) => !JSON.stringify(value).includes(part),
  $exact: (expected, value) => isDeepStrictEqual(expected, value),
  $contains: (pattern, value, names, path) =>
    Array.isArray(value)
      ? value.some((item) => matches(pattern, item, names, path))
      : typeof value === "string" && value.includes(pattern),
  $all: (patterns, value, names, path) => {
    patterns.forEach((pattern) => check(pattern, value, names, path));
    return true;
  },
  $save: (name, value, names) => {
    names[name] = value;
    return true;
  },
};

function apply(matcher, argument, value, names, path) {
  if (matcher === "$absent") {
    assert.equal(value, ABSENT, `${path} is there: ${shown(value)}`);
    return;
  }
  assert.notEqual(value, ABSENT, `${path} is absent`);
  assert.ok(Object.hasOwn(MATCHERS, matcher), `there is no matcher ${matcher}`);
  const holds = MATCHERS[matcher](argument, value, names, path);
  assert.ok(holds, `${path} does not match ${matcher} ${shown(argument)}: ${shown(value)}`);
}

function matches(pattern, value, names, path) {
  try {
    check(pattern, value, names, path);
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError) return false;
    throw error;
  }
}

function named(name, names) {
  assert.ok(Object.hasOwn(names, name), `the name '${name}' is not known`);
  return names[name];
}

function text(value) {
  assert.equal(typeof value, "string", `not a text: ${shown(value)}`);
  return value;
}

function shown(value) {
  return value === ABSENT ? "nothing" : JSON.stringify(value)?.slice(0, 2_000);
}
