//! Messages as they come: judged by the document, then handed on.

use std::time::Duration;

use atom_core::function::MessageSink;
use atom_core::{Error, ErrorCode, Result};
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::channel::Channel;
use super::message::{self, payload};
use crate::http::sensitive::conceal;

/// After so long a connection has held, even if nothing came: the channel may be a quiet one.
const HELD: Duration = Duration::from_secs(30);

/// Takes what comes through a channel and hands on the messages that the operation is about.
pub(super) struct Inbox<'a> {
    channel: &'a Channel,
    sink: &'a dyn MessageSink,
    has_received: bool,
    /// Since when the connection is open.
    opened: Option<Instant>,
    /// The access token of the subscription, which messages must not show.
    token: Option<Zeroizing<String>>,
    /// The id of the last event of a stream that has such, as the header with which it goes on.
    pub(super) last_event: Option<HeaderValue>,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(channel: &'a Channel, sink: &'a dyn MessageSink) -> Self {
        Self {
            channel,
            sink,
            has_received: false,
            opened: None,
            token: None,
            last_event: None,
        }
    }

    /// Takes note of a connection that is open now. Its access token is masked in the messages that follow.
    pub(super) fn open(&mut self, token: Option<Zeroizing<String>>) {
        self.opened = Some(Instant::now());
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

    /// Whether the connection that has ended was good for something: a message came, or it was open for a while.
    pub(super) fn take_has_held(&mut self) -> bool {
        let held = self.opened.take().map(|opened| opened.elapsed());
        std::mem::take(&mut self.has_received) || held.is_some_and(|held| held >= HELD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asyncapi::document::Document;
    use serde_json::json;

    struct Nowhere;

    #[async_trait::async_trait]
    impl MessageSink for Nowhere {
        async fn deliver(&self, _: Value) -> Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_held_that_brought_a_message_or_was_open_for_a_while() {
        let document = json!({ "asyncapi": "2.6.0", "channels": { "quiet": { "subscribe": {} } } });
        let document = Document::parse(&document.to_string()).unwrap();
        let channel = Channel::of_channel(&document, "quiet", false).unwrap();
        let mut inbox = Inbox::new(&channel, &Nowhere);
        // One that was never opened, however long it took, has not.
        tokio::time::advance(HELD).await;
        assert!(!inbox.take_has_held());
        inbox.open(None);
        tokio::time::advance(HELD - Duration::from_secs(1)).await;
        assert!(!inbox.take_has_held());
        inbox.open(None);
        tokio::time::advance(HELD).await;
        assert!(inbox.take_has_held());
        assert!(!inbox.take_has_held());
        inbox.open(None);
        inbox.receive(b"1", true, Map::new()).await.unwrap();
        assert!(inbox.take_has_held());
    }
}
