//! The native half of the Python package: the bridge of the engine as a Python class, method by method.
//!
//! Nothing here calls Python code, and every method that may wait lets other Python threads run meanwhile.
//! Everything that a Python programmer sees is written in Python above it.

use atom_engine::bridge;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// An engine behind its queue of messages. Errors are raised as `RuntimeError` whose text is an error's JSON.
#[pyclass(frozen, module = "atom_engine._native")]
#[derive(Debug)]
struct Bridge {
    bridge: bridge::Bridge,
}

#[pymethods]
impl Bridge {
    /// Opens an engine and blocks until it is open.
    #[staticmethod]
    fn open(py: Python<'_>, config_json: &str) -> PyResult<Self> {
        let bridge = py
            .detach(|| bridge::Bridge::open(config_json))
            .map_err(PyRuntimeError::new_err)?;
        Ok(Self { bridge })
    }

    /// Starts an operation and returns the number that its messages carry. Never blocks.
    fn submit(&self, operation: &str, principal_json: &str, request_json: &str) -> u64 {
        self.bridge.submit(operation, principal_json, request_json)
    }

    /// Ends a call or stream early.
    fn cancel(&self, id: u64) {
        self.bridge.cancel(id);
    }

    /// Holds back the items of a stream.
    fn pause(&self, id: u64) {
        self.bridge.pause(id);
    }

    /// Lets a stream go on after `pause`.
    fn resume(&self, id: u64) {
        self.bridge.resume(id);
    }

    /// Registers a function whose calls arrive as `host_call` messages.
    fn register_function(&self, info_json: &str) -> PyResult<()> {
        self.bridge
            .register_function(info_json)
            .map_err(PyRuntimeError::new_err)
    }

    /// Removes a function and tells whether there was one.
    fn unregister_function(&self, name: &str) -> bool {
        self.bridge.unregister_function(name)
    }

    /// Answers a `host_call` message.
    fn reply(&self, id: u64, reply_json: &str) {
        self.bridge.reply(id, reply_json);
    }

    /// Takes up to `maximum` messages, waiting up to `timeout_ms` milliseconds for the first.
    fn poll(&self, py: Python<'_>, maximum: usize, timeout_ms: u64) -> Vec<String> {
        py.detach(|| self.bridge.poll(maximum, timeout_ms))
    }

    /// Closes the engine and blocks until its data folder is free.
    fn close(&self, py: Python<'_>, grace_ms: u64) {
        py.detach(|| self.bridge.close(grace_ms));
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // The last reference may go at any point of a Python program: others run while the engine closes. Closing
        // what is closed does nothing.
        Python::attach(|py| py.detach(|| self.bridge.close(0)));
    }
}

#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::Bridge;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
