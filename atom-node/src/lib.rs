//! The engine's bridge for Node: JSON text in, messages out. Everything a program sees is TypeScript on top.
//!
//! The only function of JavaScript that is ever called is the waker, without arguments and in Node's own event
//! loop; it then takes the messages. So no JavaScript runs on a thread of the engine or under one of its locks.
//!
//! Errors cross as the JSON of an error report, as the message of a JavaScript `Error`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atom_engine::bridge;
use napi::bindgen_prelude::{AsyncTask, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Result, Status, Task};
use napi_derive::napi;

/// A threadsafe function that does not keep the event loop alive.
type WeakFunction = ThreadsafeFunction<(), (), (), Status, false, true>;

/// An open engine and the way to wake its event loop.
#[napi]
#[derive(Debug)]
pub struct Bridge {
    inner: Arc<Inner>,
}

struct Inner {
    bridge: bridge::Bridge,
    /// The lock is held while the event loop is told, which only writes to its queue: once the waker is taken out,
    /// no thread of the engine touches the environment any more, so that it may be torn down.
    waker: Mutex<Option<WeakFunction>>,
}

#[napi]
impl Bridge {
    /// Opens an engine, on a thread that blocks nobody.
    #[napi(ts_return_type = "Promise<Bridge>")]
    pub fn open(config: String) -> AsyncTask<Open> {
        AsyncTask::new(Open { config })
    }

    /// Calls `waker` when messages have arrived; take them with `drain` until there are none. It does not keep the
    /// event loop alive. When the environment is torn down, the engine is closed.
    #[napi]
    pub fn set_waker(&self, env: Env, waker: Function<'_, (), ()>) -> Result<()> {
        let waker = waker.build_threadsafe_function().weak::<true>().build()?;
        *self.inner.waker() = Some(waker);
        let inner = Arc::downgrade(&self.inner);
        self.inner.bridge.set_waker(Box::new(move || {
            if let Some(inner) = inner.upgrade() {
                inner.wake();
            }
        }));
        // Hooks run last to first: this one before that of the threadsafe function.
        env.add_env_cleanup_hook(Arc::downgrade(&self.inner), |inner| {
            if let Some(inner) = inner.upgrade() {
                inner.forget_waker();
                inner.bridge.close(0);
            }
        })?;
        Ok(())
    }

    /// Starts a call or stream and gives the number that its messages carry.
    #[napi]
    pub fn submit(&self, operation: String, principal: String, request: String) -> i64 {
        let id = self.inner.bridge.submit(&operation, &principal, &request);
        i64::try_from(id).unwrap_or(i64::MAX)
    }

    /// Ends a call or stream early.
    #[napi]
    pub fn cancel(&self, id: i64) {
        if let Ok(id) = u64::try_from(id) {
            self.inner.bridge.cancel(id);
        }
    }

    /// Lets a stream wait until `resume`.
    #[napi]
    pub fn pause(&self, id: i64) {
        if let Ok(id) = u64::try_from(id) {
            self.inner.bridge.pause(id);
        }
    }

    /// Lets a stream that waits go on.
    #[napi]
    pub fn resume(&self, id: i64) {
        if let Ok(id) = u64::try_from(id) {
            self.inner.bridge.resume(id);
        }
    }

    /// Registers a function of the program; its calls arrive as messages.
    #[napi]
    pub fn register_function(&self, info: String) -> Result<()> {
        self.inner.bridge.register_function(&info).map_err(to_error)
    }

    /// Removes a function of the program and tells whether there was one.
    #[napi]
    pub fn unregister_function(&self, name: String) -> bool {
        self.inner.bridge.unregister_function(&name)
    }

    /// Answers a call of a function of the program.
    #[napi]
    pub fn reply(&self, call: i64, reply: String) {
        if let Ok(call) = u64::try_from(call) {
            self.inner.bridge.reply(call, &reply);
        }
    }

    /// Takes up to `max` messages.
    #[napi]
    pub fn drain(&self, max: u32) -> Vec<String> {
        self.inner
            .bridge
            .drain(usize::try_from(max).unwrap_or(usize::MAX))
    }

    /// Closes the engine, on a thread that blocks nobody; calls under way get `grace_ms` milliseconds. The last
    /// messages can be taken afterwards, without a waker.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&self, grace_ms: u32) -> AsyncTask<Close> {
        AsyncTask::new(Close {
            inner: Arc::clone(&self.inner),
            grace_ms: grace_ms.into(),
        })
    }
}

impl Inner {
    fn wake(&self) {
        if let Some(waker) = &*self.waker() {
            // It cannot be told any more when its environment is being torn down; then nobody listens either.
            let _ = waker.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn forget_waker(&self) {
        // Released outside of the lock.
        let waker = self.waker().take();
        drop(waker);
    }

    fn waker(&self) -> MutexGuard<'_, Option<WeakFunction>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Inner")
            .field("bridge", &self.bridge)
            .finish_non_exhaustive()
    }
}

/// Opening an engine.
#[derive(Debug)]
pub struct Open {
    config: String,
}

impl Task for Open {
    type Output = Bridge;
    type JsValue = Bridge;

    fn compute(&mut self) -> Result<Bridge> {
        let bridge = bridge::Bridge::open(&self.config).map_err(to_error)?;
        let waker = Mutex::new(None);
        Ok(Bridge {
            inner: Arc::new(Inner { bridge, waker }),
        })
    }

    fn resolve(&mut self, _env: Env, bridge: Bridge) -> Result<Bridge> {
        Ok(bridge)
    }
}

/// Closing an engine.
#[derive(Debug)]
pub struct Close {
    inner: Arc<Inner>,
    grace_ms: u64,
}

impl Task for Close {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        self.inner.bridge.close(self.grace_ms);
        Ok(())
    }

    fn resolve(&mut self, _env: Env, (): ()) -> Result<()> {
        // It holds the JavaScript that holds the bridge.
        self.inner.forget_waker();
        Ok(())
    }
}

fn to_error(report: String) -> Error {
    Error::new(Status::GenericFailure, report)
}
