//! One script in one JavaScript engine.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use atom_core::{Error, ErrorCode, Result};
use rquickjs::function::Func;
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::promise::PromiseState;
use rquickjs::runtime::RejectionTracker;
use rquickjs::{
    Array, CatchResultExt, CaughtError, Context, Ctx, Exception, Function, Module, Object, Persistent,
    Promise, Runtime, TypedArray, Value,
};

use super::console::Console;
use crate::process::given::Given;
use crate::process::outcome::Outcome;

/// The memory that a script may use, in bytes, its code and input included.
const MAXIMUM_MEMORY: usize = 64 * 1024 * 1024;

/// The stack that a script may use, in bytes.
const MAXIMUM_STACK: usize = 1024 * 1024;

const PRELUDE: &str = include_str!("prelude.js");

/// The modules that a script may import.
const MODULES: [&str; 4] = ["node:fs", "fs", "node:process", "process"];

/// What of Node's `fs` is there by name only, to say that it is not available.
const MISSING: [&str; 20] = [
    "access",
    "appendFile",
    "appendFileSync",
    "createReadStream",
    "createWriteStream",
    "existsSync",
    "mkdirSync",
    "openSync",
    "promises",
    "readFile",
    "readSync",
    "readdirSync",
    "rmSync",
    "stat",
    "statSync",
    "unlinkSync",
    "watch",
    "writeFile",
    "writeFileSync",
    "writeSync",
];

/// What Node ends with when a script waits for what never comes.
const UNSETTLED: i32 = 13;

/// Runs a script to its end.
///
/// # Errors
/// `cancelled` when it was interrupted, `limit_exceeded` when it wrote too much. Its own errors are part of the
/// outcome, as with any process: a code other than 0, and a message on the standard error.
pub(super) fn run(code: String, given: Given, is_interrupted: Arc<AtomicBool>) -> Result<Outcome> {
    let unavailable = |error: rquickjs::Error| {
        Error::new(
            ErrorCode::Unavailable,
            "no JavaScript engine can be made for the script",
        )
        .with_source(error)
    };
    let console = Rc::new(Console::new(is_interrupted));
    let runtime = Runtime::new().map_err(unavailable)?;
    runtime.set_memory_limit(MAXIMUM_MEMORY);
    runtime.set_max_stack_size(MAXIMUM_STACK);
    let watched = Rc::clone(&console);
    runtime.set_interrupt_handler(Some(Box::new(move || watched.has_ended())));
    runtime.set_loader(Known, Known);
    let context = Context::full(&runtime).map_err(unavailable)?;
    let prepared =
        context.with(|ctx| prepare(&ctx, given, &console).map_err(|error| Failure::from(error).text(&ctx)));
    let ended = prepared.and_then(|(tools, rejected)| {
        runtime.set_host_promise_rejection_tracker(Some(tracker(rejected)));
        let ended =
            context.with(|ctx| evaluate(&ctx, tools, &code, &console).map_err(|failure| failure.text(&ctx)));
        // The tracker holds a function, which must not outlive the engine.
        runtime.set_host_promise_rejection_tracker(None);
        ended
    });
    drop((context, runtime));
    if console.was_interrupted() {
        return Err(super::unwanted());
    }
    if let Some(refusal) = console.refusal.take() {
        return Err(refusal);
    }
    let code = match (console.exit.get(), ended) {
        (Some(code), _) | (None, Ok(code)) => code,
        (None, Err(message)) => {
            console.write(2, &message);
            1
        }
    };
    Ok(Outcome {
        code: i64::from(code & 0xff),
        stdout: console.stdout.take(),
        stderr: console.stderr.take(),
    })
}

/// Why a script did not come to its end.
enum Failure<'js> {
    /// It threw this, and `uncaught` of the prelude says how it reads.
    Thrown(Value<'js>, Function<'js>),
    /// It could not even be prepared, usually for want of memory.
    Unprepared(rquickjs::Error),
    /// A promise was rejected and nobody minded.
    Rejected(String),
}

impl From<rquickjs::Error> for Failure<'_> {
    fn from(error: rquickjs::Error) -> Self {
        Self::Unprepared(error)
    }
}

impl Failure<'_> {
    fn text(self, ctx: &Ctx<'_>) -> String {
        match self {
            Self::Thrown(value, uncaught) => {
                let plain = value.as_exception().map(ToString::to_string);
                let described = uncaught.call::<_, String>((value,)).catch(ctx);
                // Whoever throws an object that cannot be shown gets no more than this.
                described.unwrap_or_else(|_| format!("Uncaught {}\n", plain.unwrap_or_default()))
            }
            Self::Unprepared(rquickjs::Error::Exception) => {
                let thrown = CaughtError::from_error(ctx, rquickjs::Error::Exception);
                format!("Uncaught {thrown}\n")
            }
            Self::Unprepared(error) => format!("Uncaught {error}\n"),
            Self::Rejected(message) => message,
        }
    }
}

/// What the prelude gives, and the one of its functions that is told about rejected promises.
type Tools = (Persistent<Object<'static>>, Persistent<Function<'static>>);

/// Makes what the script finds.
fn prepare<'js>(ctx: &Ctx<'js>, given: Given, console: &Rc<Console>) -> rquickjs::Result<Tools> {
    let prelude: Function<'js> = ctx.eval(PRELUDE)?;
    let tools: Object<'js> = prelude.call((host(ctx, given, console)?,))?;
    declare_modules(ctx, &tools.get("modules")?)?;
    let rejected = tools.get::<_, Function<'js>>("rejected")?;
    Ok((Persistent::save(ctx, tools), Persistent::save(ctx, rejected)))
}

/// Runs the script and everything it leaves to be done later; gives its exit code.
fn evaluate<'js>(
    ctx: &Ctx<'js>,
    tools: Persistent<Object<'static>>,
    code: &str,
    console: &Rc<Console>,
) -> std::result::Result<i32, Failure<'js>> {
    let tools = tools.restore(ctx)?;
    let uncaught: Function<'js> = tools.get("uncaught")?;
    let thrown = |value| Failure::Thrown(value, uncaught.clone());
    let begun = Module::declare(ctx.clone(), "script.js", code).and_then(Module::eval);
    let (_, promise) = match begun {
        Ok(begun) => begun,
        Err(rquickjs::Error::Exception) => return Err(thrown(ctx.catch())),
        Err(error) => return Err(error.into()),
    };
    while !console.has_ended() && ctx.execute_pending_job() {}
    settled(&promise).map_err(|error| match error {
        rquickjs::Error::Exception => thrown(ctx.catch()),
        other => other.into(),
    })?;
    if promise.state() == PromiseState::Pending {
        console.write(2, "Warning: the script waits for something that never comes\n");
        return Ok(UNSETTLED);
    }
    if let Some(message) = tools.get::<_, Function<'js>>("unhandled")?.call(())? {
        return Err(Failure::Rejected(message));
    }
    Ok(tools.get::<_, Function<'js>>("exitCode")?.call(())?)
}

/// Throws what the script's module was rejected with, if it was.
fn settled<'js>(promise: &Promise<'js>) -> rquickjs::Result<()> {
    match promise.result::<Value<'js>>() {
        Some(Err(error)) => Err(error),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// What the prelude is made of. The script itself never sees it.
fn host<'js>(ctx: &Ctx<'js>, given: Given, console: &Rc<Console>) -> rquickjs::Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    let to = Rc::clone(console);
    let write = move |ctx: Ctx<'js>, stream: i32, text: String| {
        to.write(stream, &text);
        if to.has_ended() {
            return Err(Exception::throw_message(&ctx, "the script has ended"));
        }
        Ok(())
    };
    host.set("write", Function::new(ctx.clone(), write)?)?;
    let to = Rc::clone(console);
    let exit = move |ctx: Ctx<'js>, code: i32| {
        to.end(code);
        Err::<(), _>(Exception::throw_message(&ctx, "the script has ended"))
    };
    host.set("exit", Function::new(ctx.clone(), exit)?)?;
    let stdin = given.stdin.unwrap_or_default();
    host.set("stdin", Function::new(ctx.clone(), move || stdin.clone())?)?;
    let bytes = |ctx: Ctx<'js>, text: String| TypedArray::<u8>::new(ctx, text);
    host.set("bytes", Func::from(bytes))?;
    let arguments = Array::new(ctx.clone())?;
    for (index, argument) in given.arguments.into_iter().enumerate() {
        arguments.set(index, argument)?;
    }
    host.set("arguments", arguments)?;
    let environment = Object::new(ctx.clone())?;
    environment.set_prototype(None)?;
    for (name, value) in given.environment {
        environment.set(name, value)?;
    }
    host.set("environment", environment)?;
    host.set("missing", MISSING.to_vec())?;
    Ok(host)
}

/// Makes the modules before the script runs, from what the prelude gives.
fn declare_modules<'js>(ctx: &Ctx<'js>, modules: &Object<'js>) -> rquickjs::Result<()> {
    let names: String = MISSING.map(|name| format!(", {name}")).concat();
    let process = "argv, env, exit, stdin, stdout, stderr";
    for name in MODULES {
        let (part, names) = match name {
            "node:fs" | "fs" => ("fs", format!("readFileSync{names}")),
            _ => ("process", process.to_owned()),
        };
        let source = format!(
            "const whole = import.meta.whole; export const {{ {names} }} = whole; export default whole;"
        );
        let module = Module::declare(ctx.clone(), name, source)?;
        module.meta()?.set("whole", modules.get::<_, Value<'js>>(part)?)?;
        let (module, promise) = module.eval()?;
        settled(&promise)?;
        module.meta()?.remove("whole")?;
    }
    Ok(())
}

fn tracker(rejected: Persistent<Function<'static>>) -> RejectionTracker {
    Box::new(move |ctx, promise, reason, is_handled| {
        let noted = rejected
            .clone()
            .restore(&ctx)
            .and_then(|rejected| rejected.call::<_, ()>((promise, reason, is_handled)));
        // There is no memory left to note it in; the script cannot get far.
        if noted.is_err() {
            drop(ctx.catch());
        }
    })
}

/// Finds the modules that were made beforehand, and no others.
#[derive(Debug)]
struct Known;

impl Resolver for Known {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        _: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        if MODULES.contains(&name) {
            return Ok(name.to_owned());
        }
        let message = "this module is not available; a script can import 'node:fs' and 'node:process'";
        Err(Exception::throw_message(ctx, message))
    }
}

impl Loader for Known {
    fn load<'js>(
        &mut self,
        _: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        Err(rquickjs::Error::new_loading(name))
    }
}
