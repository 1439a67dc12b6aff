import { CLASSES } from "../generated/errors.js";
import type { ErrorCode, ErrorReport } from "../generated/types.js";
import { AtomError } from "./errors.js";

/** How many causes of an error are told. */
const MAX_CAUSES = 16;

/** Whether this is an error of the engine, with this code if given; of any realm and copy of this package. */
export function isAtomError<Code extends ErrorCode = ErrorCode>(
  value: unknown,
  code?: Code,
): value is AtomError & { readonly code: Code } {
  const error = value as Partial<AtomError> | null | undefined;
  return (
    typeof error === "object" &&
    error !== null &&
    typeof error.code === "string" &&
    Object.hasOwn(CLASSES, error.code) &&
    typeof error.retry?.kind === "string" &&
    (code === undefined || error.code === code)
  );
}

/** The error for one that the engine reports, with the errors that caused it as `cause`. */
export function fromReport(report: ErrorReport): AtomError {
  const Class = Object.hasOwn(CLASSES, report.code) ? CLASSES[report.code] : AtomError;
  const cause = report.cause.reduceRight<Error | undefined>(
    (cause, message) => new Error(message, cause === undefined ? {} : { cause }),
    undefined,
  );
  return new Class(report.message, { ...report, cause });
}

/** The error for one that the native addon threw: its message is a report, unless the addon was misused. */
export function fromNative(thrown: unknown): unknown {
  try {
    return fromReport(JSON.parse((thrown as Error).message) as ErrorReport);
  } catch {
    return thrown;
  }
}

/** What a function of the program threw, as the engine takes it. */
export function toReport(thrown: unknown): object {
  const cause: string[] = [];
  let below = (thrown as Error | null | undefined)?.cause;
  while (below !== undefined && below !== null && cause.length < MAX_CAUSES) {
    cause.push(describe(below));
    below = (below as Error).cause;
  }
  if (!isAtomError(thrown)) {
    return { code: "host_failed", message: describe(thrown), cause };
  }
  const { code, message, retry, operation, context } = thrown;
  return { code, message, retry, operation, context, cause };
}

/** What was thrown, in words. */
export function describe(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "something that cannot be written as text was thrown";
  }
}
