//! What one evaluation may use, and the meter that stops it when it uses more.
//!
//! Every bound is a count, so that a replayed run meets the same bound at the same place. The one exception
//! is the native stack, which has room for some thousands of nested calls.
//!
//! The interpreter asks for its program each time it runs a term, copies its context, and handles values
//! only through [`Val`](super::value::Val): all three report here. Once a bound is passed the evaluation is
//! unwound, which `try` in a program cannot catch. An application built with `panic = "abort"` aborts there.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use atom_core::{Error, ErrorCode};

/// What compiling an expression and one evaluation of it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps: terms run, values copied or compared, 64 bytes of text read. Default 4,000,000.
    pub steps: u64,
    /// Bytes of the strings, arrays and objects made, all together, whether kept or not. Default 128 MiB.
    pub memory_bytes: u64,
    /// How deep arrays and objects may nest in any value, the input included. Default, and at most, 512.
    pub depth: u32,
    /// Bytes of the result, as JSON. Default 16 MiB.
    pub output_bytes: u64,
    /// Bytes of the program. Default 64 KiB.
    pub source_bytes: usize,
    /// Tokens of the program; a piece of text, an escape and an interpolation in a string are one each.
    /// Default, and at most, 4,096.
    pub tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 4_000_000,
            memory_bytes: 128 * 1024 * 1024,
            depth: 512,
            output_bytes: 16 * 1024 * 1024,
            source_bytes: 64 * 1024,
            tokens: 4_096,
        }
    }
}

impl Limits {
    /// These limits, but none beyond what fits the stack.
    pub(super) fn within_stack(self) -> Self {
        let most = Self::default();
        Self {
            depth: self.depth.min(most.depth),
            tokens: self.tokens.min(most.tokens),
            ..self
        }
    }
}

/// The stack that programs are compiled and run on. It is reserved, not used, until a program recurses.
///
/// Measured without optimisation, when frames are largest: a nested call of a program takes 20 to 40 KiB, so
/// that 1,500 fit; a program of 4,096 tokens compiles however they nest; a chain of 65,536 closures is
/// dropped.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// What must be left of the stack to go on: enough to walk and drop a value of the greatest depth.
const RED_ZONE_BYTES: usize = 8 * 1024 * 1024;

/// Closures that hold closures form a chain, which is dropped recursively. Calling a function that takes a
/// closure costs so many steps that no chain is longer than this.
const LONGEST_CHAIN: u64 = 32_768;

/// A path grows by a link for each index and is dropped like a chain of closures, with smaller frames: while
/// paths are followed, terms cost so many steps that no path is longer than this.
const LONGEST_PATH: u64 = 262_144;

#[derive(Clone, Copy)]
struct Meter {
    steps: u64,
    memory: u64,
    output: u64,
    depth: u32,
    /// Steps that a term costs now.
    term: u64,
    /// Steps that a term costs while paths are followed.
    path: u64,
    /// Steps that a call with a closure costs.
    closure: u64,
}

impl Meter {
    /// Nothing is being evaluated, or it is being unwound: dropping must not stop it again.
    const IDLE: Self = Self {
        steps: u64::MAX,
        memory: u64::MAX,
        output: u64::MAX,
        depth: u32::MAX,
        term: 0,
        path: 0,
        closure: 0,
    };

    fn new(limits: &Limits) -> Self {
        Self {
            steps: limits.steps,
            memory: limits.memory_bytes,
            output: limits.output_bytes,
            depth: limits.depth,
            term: 1,
            path: limits.steps / LONGEST_PATH + 1,
            closure: limits.steps / LONGEST_CHAIN + 1,
        }
    }
}

thread_local! {
    static METER: Cell<Meter> = const { Cell::new(Meter::IDLE) };
}

/// The bound that was passed.
#[derive(Clone, Copy)]
enum Bound {
    Steps,
    Memory,
    Depth,
    Output,
    Stack,
}

fn stop(bound: Bound) -> ! {
    METER.set(Meter::IDLE);
    resume_unwind(Box::new(bound))
}

/// Counts `steps`.
pub(super) fn tick(steps: u64) {
    let mut meter = METER.get();
    let Some(left) = meter.steps.checked_sub(steps) else {
        stop(Bound::Steps)
    };
    meter.steps = left;
    METER.set(meter);
}

/// Counts a term about to run and makes sure that it has stack.
pub(super) fn tick_term() {
    tick(METER.get().term);
    check_stack();
}

/// Counts a call with a closure.
pub(super) fn tick_closure() {
    tick(METER.get().closure);
}

/// Counts the reading of `bytes` of text.
pub(super) fn tick_text(bytes: usize) {
    tick(bytes as u64 / 64);
}

/// Makes sure that a value of the greatest depth can be walked on what is left of the stack.
pub(super) fn check_stack() {
    if stacker::remaining_stack().is_some_and(|left| left < RED_ZONE_BYTES) && METER.get().term > 0 {
        stop(Bound::Stack);
    }
}

/// Counts `bytes` about to be made.
pub(super) fn charge(bytes: usize) {
    let mut meter = METER.get();
    let Some(left) = meter.memory.checked_sub(bytes as u64) else {
        stop(Bound::Memory)
    };
    meter.memory = left;
    METER.set(meter);
}

/// Counts `bytes` of the result.
pub(super) fn charge_output(bytes: usize) {
    let mut meter = METER.get();
    let Some(left) = meter.output.checked_sub(bytes as u64) else {
        stop(Bound::Output)
    };
    meter.output = left;
    METER.set(meter);
}

/// Refuses a value that nests deeper than allowed; returns its depth otherwise.
pub(super) fn check_depth(depth: u32) -> u32 {
    if depth > METER.get().depth {
        stop(Bound::Depth);
    }
    depth
}

/// Runs `next` with terms at the price of paths.
pub(super) fn following_path<T>(next: impl FnOnce() -> T) -> T {
    let set = |term| METER.set(Meter { term, ..METER.get() });
    let Meter { term, path, .. } = METER.get();
    set(path);
    let result = next();
    set(term);
    result
}

/// Runs `work` on a stack of its own within `limits`.
///
/// # Errors
/// `limit_exceeded` when it was stopped, `internal` when it panicked, else what `work` returns.
pub(super) fn metered<T>(limits: &Limits, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let before = METER.replace(Meter::new(limits));
    let result = catch_unwind(AssertUnwindSafe(|| stacker::grow(STACK_BYTES, work)));
    METER.set(before);
    result.unwrap_or_else(|payload| {
        Err(match payload.downcast_ref::<Bound>() {
            Some(bound) => bound.error(limits),
            None => Error::internal("the jq interpreter panicked; please report the expression"),
        })
    })
}

impl Bound {
    fn error(self, limits: &Limits) -> Error {
        match self {
            Self::Steps => exceeded(
                "steps",
                format!(
                    "it takes more than {} steps; make it do less at once",
                    limits.steps
                ),
            ),
            Self::Memory => exceeded(
                "memory_bytes",
                format!(
                    "it makes more than {} bytes of values; make it do less at once",
                    limits.memory_bytes
                ),
            ),
            Self::Depth => exceeded(
                "depth",
                format!("a value nests deeper than {} levels; flatten it", limits.depth),
            ),
            Self::Output => exceeded(
                "output_bytes",
                format!(
                    "the result is larger than {} bytes; shorten it",
                    limits.output_bytes
                ),
            ),
            Self::Stack => exceeded(
                "stack",
                "it recurses too deep; use `reduce` or a tail call".to_owned(),
            ),
        }
    }
}

/// The error for passing the limit `name`.
pub(super) fn exceeded(name: &str, message: String) -> Error {
    Error::new(
        ErrorCode::LimitExceeded,
        format!("the expression is stopped: {message}"),
    )
    .with_context("limit", name)
}
