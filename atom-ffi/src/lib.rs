//! The engine's bridge for Kotlin and Swift: JSON text in and out, synchronous functions, nothing called back.
//!
//! What a person uses lies on top, in `kotlin/` and `swift/`. This crate holds no logic.

use atom_engine::bridge::Bridge;

uniffi::setup_scaffolding!();

/// An error of the engine, as the JSON of its report.
#[derive(Debug, uniffi::Error)]
pub enum NativeError {
    /// The engine refused.
    Failed {
        /// The JSON of the error: its code, message, retry advice, operation, context and causes.
        report: String,
    },
}

impl std::fmt::Display for NativeError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Failed { report } = self;
        formatter.write_str(report)
    }
}

impl std::error::Error for NativeError {}

impl From<String> for NativeError {
    fn from(report: String) -> Self {
        Self::Failed { report }
    }
}

/// An open engine. Every method may be called from any thread.
#[derive(Debug, uniffi::Object)]
pub struct NativeBridge {
    bridge: Bridge,
}

#[uniffi::export]
impl NativeBridge {
    /// Opens an engine; blocks until it is open. `config` is a JSON object, empty for the defaults.
    ///
    /// # Errors
    /// What the engine says, e.g. `invalid_request` or `locked`.
    #[uniffi::constructor]
    pub fn open(config: &str) -> Result<Self, NativeError> {
        let bridge = Bridge::open(config)?;
        Ok(Self { bridge })
    }

    /// Starts an operation and returns the number that its messages carry. Errors arrive as messages, too.
    pub fn submit(&self, operation: &str, principal: &str, request: &str) -> u64 {
        self.bridge.submit(operation, principal, request)
    }

    /// Ends a call with `cancelled`, or a stream; a number that is not under way is ignored.
    pub fn cancel(&self, id: u64) {
        self.bridge.cancel(id);
    }

    /// Lets a stream wait: after at most 256 further items none comes until `resume`.
    pub fn pause(&self, id: u64) {
        self.bridge.pause(id);
    }

    /// Lets a stream that waits go on.
    pub fn resume(&self, id: u64) {
        self.bridge.resume(id);
    }

    /// Registers a function of the host; its calls arrive as `host_call` messages.
    ///
    /// # Errors
    /// `invalid_request`, `already_exists` or `forked`.
    pub fn register_function(&self, info: &str) -> Result<(), NativeError> {
        Ok(self.bridge.register_function(info)?)
    }

    /// Removes a function and tells whether there was one.
    pub fn unregister_function(&self, name: &str) -> bool {
        self.bridge.unregister_function(name)
    }

    /// Answers a `host_call` with `{"ok": value}` or `{"err": {"message": …}}`.
    pub fn reply(&self, call: u64, reply: &str) {
        self.bridge.reply(call, reply);
    }

    /// Takes up to `max` messages, waiting up to `timeout_ms` milliseconds for the first.
    pub fn poll(&self, max: u32, timeout_ms: u64) -> Vec<String> {
        self.bridge
            .poll(usize::try_from(max).unwrap_or(usize::MAX), timeout_ms)
    }

    /// Closes the engine and blocks until its data folder is free. Closing again does nothing.
    pub fn close(&self, grace_ms: u64) {
        self.bridge.close(grace_ms);
    }
}
