//! The carrier over the standard streams of a process
//! (<https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#stdio>).

use std::future::pending;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atom_core::{Error, ErrorCode, Result};
use futures::FutureExt;
use rmcp::model::ClientJsonRpcMessage;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::channel::{Inbox, Link};
use super::process::ServerProcess;
use crate::json_rpc::malformed;

/// How much of what a server last wrote to its error stream is kept, in bytes.
const STDERR_TAIL: usize = 4096;
/// How many lines before the first message may be none: some starters greet.
const MAXIMUM_GREETING: usize = 100;
/// How long the error stream of a server that has ended may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// Carries messages to and fro until one cannot be carried, and gives the reason. At most `limit` bytes of
/// messages are read.
pub(super) async fn serve(process: &mut ServerProcess, link: Link, limit: u64) -> Error {
    let streams = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = streams else {
        return Error::internal("a process was started without its streams");
    };
    let tail = Mutex::new(Vec::new());
    let Link { mut outgoing, inbox } = link;
    let mut watch = pin!(watch(stderr, &tail).fuse());
    let outcome = tokio::select! {
        outcome = read(stdout, &inbox, limit) => outcome,
        error = write(&mut stdin, &mut outgoing) => Err(error),
        () = async { (&mut watch).await; pending().await } => Ok(()),
    };
    drop(stdin);
    let error = match outcome {
        Err(error) => error,
        Ok(()) => {
            // What it wrote last tells most.
            let _ = timeout(GRACE, watch).await;
            let how = match process.status().await {
                Some(status) => format!("ended ({status})"),
                None => "closed its output".to_owned(),
            };
            let message = format!("the MCP server {how} before it answered");
            Error::new(ErrorCode::Unavailable, message)
        }
    };
    process.described(error, &tail.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reads messages, one a line, until the server closes its output.
async fn read(stdout: impl AsyncRead + Unpin, inbox: &Inbox, limit: u64) -> Result<()> {
    let mut stdout = BufReader::new(stdout.take(limit));
    let mut line = Vec::new();
    let (mut greeting, mut has_begun) = (0, false);
    loop {
        line.clear();
        let broken =
            |error| Error::new(ErrorCode::Unavailable, "the MCP server cannot be read").with_source(error);
        let length = stdout.read_until(b'\n', &mut line).await.map_err(broken)?;
        if stdout.get_ref().limit() == 0 {
            return Err(inbox.too_long());
        }
        if length == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(value) => {
                inbox.deliver(value, line.len()).await?;
                has_begun = true;
            }
            Err(_) if !has_begun && greeting < MAXIMUM_GREETING => greeting += 1,
            Err(error) => {
                let what =
                    "wrote something to its output that is not JSON; its log belongs on its error stream";
                return Err(malformed("MCP server", what).with_source(error));
            }
        }
    }
}

async fn write(
    stdin: &mut (impl AsyncWrite + Unpin),
    outgoing: &mut mpsc::Receiver<ClientJsonRpcMessage>,
) -> Error {
    while let Some(message) = outgoing.recv().await {
        let mut line = match serde_json::to_vec(&message) {
            Ok(line) => line,
            Err(error) => return Error::internal("a message cannot be written as JSON").with_source(error),
        };
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            // A server that closes its input ends, and its output says more.
            break;
        }
    }
    pending().await
}

/// Keeps the end of what the server writes to its error stream.
async fn watch(mut stderr: impl AsyncRead + Unpin, tail: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 1024];
    // A stream that breaks has ended.
    while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let surplus = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..surplus);
    }
}
