//! Messages as they come: judged by the document, then handed on.

use atom_core::function::MessageSink;
use atom_core::{Error, ErrorCode, Result};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::channel::Channel;
use super::message::{self, payload};
use crate::http::sensitive::conceal;

/// Takes what comes through a channel and hands on the messages that the operation is about.
pub(super) struct Inbox<'a> {
    channel: &'a Channel,
    sink: &'a dyn MessageSink,
    has_received: bool,
    /// The access token of the subscription, which messages must not show.
    token: Option<Zeroizing<String>>,
    /// The id of the last event of a stream that has such, from which it can go on.
    pub(super) last_event: Option<String>,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(channel: &'a Channel, sink: &'a dyn MessageSink) -> Self {
        Self {
            channel,
            sink,
            has_received: false,
            token: None,
            last_event: None,
        }
    }

    /// Masks an access token in the messages that follow.
    pub(super) fn conceal(&mut self, token: Option<Zeroizing<String>>) {
        self.token = token;
    }

    /// Takes in one message.
    ///
    /// # Errors
    /// `invalid_data` for a message that the document does not describe, and those of [`MessageSink::deliver`].
    pub(super) async fn receive(
        &mut self,
        bytes: &[u8],
        is_text: bool,
        headers: Map<String, Value>,
    ) -> Result<()> {
        self.has_received = true;
        let channel = self.channel;
        let mut problem = None;
        for message in &channel.messages {
            let content_type = message.content_type.as_deref().unwrap_or(&channel.content_type);
            let misfit = match payload(bytes, content_type, is_text) {
                Ok(payload) => match message.misfit(&payload, None) {
                    None => return self.deliver(message.shown(payload, headers)).await,
                    Some(misfit) => {
                        let message = format!("a message does not fit the document: {misfit}");
                        Error::new(ErrorCode::InvalidData, message)
                    }
                },
                Err(error) => error,
            };
            problem = problem.or(Some(misfit));
        }
        let Some(problem) = problem else {
            // The document says nothing about its messages.
            let payload = payload(bytes, &channel.content_type, is_text)?;
            return self.deliver(message::shown(payload, headers, None)).await;
        };
        let is_other = channel.others.iter().any(|message| {
            let content_type = message.content_type.as_deref().unwrap_or(&channel.content_type);
            payload(bytes, content_type, is_text)
                .is_ok_and(|payload| message.misfit(&payload, None).is_none())
        });
        if is_other { Ok(()) } else { Err(problem) }
    }

    async fn deliver(&self, mut message: Value) -> Result<()> {
        if let Some(token) = &self.token {
            conceal(&mut message, token);
        }
        self.sink.deliver(message).await
    }

    /// Whether anything has come since this was last asked.
    pub(super) fn take_has_received(&mut self) -> bool {
        std::mem::take(&mut self.has_received)
    }
}
