//! The caller's log of events.

use atom_core::{CloudEvent, Error, ErrorCode, LoggedEvent, Offset, Result, Scope};
use futures::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Context, Operation, Permission, Request, StreamRequest};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<PublishEventRequest>(),
    Operation::call::<ListEventsRequest>(),
    Operation::stream::<SubscribeEventsRequest>(),
];

/// The `source` of events that name none.
const SOURCE: &str = "/atom";

/// How many events are read at a time.
const READ_SIZE: usize = 256;

/// An event to publish, in the CloudEvents 1.0.2 JSON format. What is absent is filled in.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct EventDraft {
    /// Identifies the event together with `source`, so that publishing it again changes nothing; a new id when
    /// absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Where the event comes from, a URI reference; `/atom` when absent.
    #[serde(default)]
    pub source: Option<String>,
    /// What kind of event it is, e.g. `com.example.order.placed.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of the specification, `1.0`.
    #[serde(default)]
    pub specversion: Option<String>,
    /// When it happened; now when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// What it is about, within the source.
    #[serde(default)]
    pub subject: Option<String>,
    /// The media type of `data`; `application/json` when absent.
    #[serde(default)]
    pub datacontenttype: Option<String>,
    /// The schema that `data` adheres to, a URI.
    #[serde(default)]
    pub dataschema: Option<String>,
    /// What happened.
    #[serde(default)]
    pub data: Option<Value>,
    /// Extension attributes.
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
}

impl EventDraft {
    /// An event of a type, with data.
    pub fn new(kind: impl Into<String>, data: Value) -> Self {
        Self {
            kind: kind.into(),
            data: Some(data),
            ..Self::default()
        }
    }

    pub(super) fn complete(self, context: &Context) -> Result<CloudEvent> {
        let id = self.id.unwrap_or_else(|| context.fresh_id());
        let mut event = CloudEvent::new(id, self.source.unwrap_or_else(|| SOURCE.to_owned()), self.kind);
        if let Some(specversion) = self.specversion {
            event.specversion = specversion;
        }
        event.time = self.time.or_else(|| Some(context.parts.clock.now()));
        event.subject = self.subject;
        event.datacontenttype = self.datacontenttype;
        event.dataschema = self.dataschema;
        // In JSON a datum of null and none are the same.
        event.data = self.data.filter(|data| !data.is_null());
        event.extensions = self.extensions;
        event.validate()?;
        Ok(event)
    }
}

/// Publishes an event. One that the log has already, with the same `source` and `id`, is not appended again: the
/// answer is the event as it was logged, or `already_exists` when the two differ.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishEventRequest {
    /// The event.
    pub event: EventDraft,
}

impl Request for PublishEventRequest {
    const NAME: &'static str = "events.publish";
    const SUMMARY: &'static str = "Appends an event to the caller's log; runs that listen for it receive it.";
    const PERMISSION: Permission = Permission::EventsWrite;
    type Response = LoggedEvent;

    async fn handle(self, context: Context) -> Result<LoggedEvent> {
        let (has_id, has_time) = (self.event.id.is_some(), self.event.time.is_some());
        let mut event = self.event.complete(&context)?;
        let scope = context.scope();
        let offset = context.parts.runtime.publish(&scope, &event).await?;
        if !has_id {
            return Ok(LoggedEvent { offset, event });
        }
        let logged = logged(&context, &scope, offset).await?;
        if !has_time {
            event.time = logged.event.time;
        }
        if logged.event == event {
            return Ok(logged);
        }
        Err(Error::new(
            ErrorCode::AlreadyExists,
            "another event with this 'source' and 'id' was published before; choose another id",
        )
        .with_context("source", event.source)
        .with_context("id", event.id)
        .with_context("offset", offset))
    }
}

/// The event at an offset, as the log keeps it.
async fn logged(context: &Context, scope: &Scope, offset: Offset) -> Result<LoggedEvent> {
    let found = context
        .parts
        .store
        .read(scope, offset.saturating_sub(1), 1)
        .await?;
    let logged = found.into_iter().find(|logged| logged.offset == offset);
    logged.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidData,
            "the store does not have an event that it has just logged",
        )
        .with_context("offset", offset)
    })
}

/// Asks for events of the caller's log.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListEventsRequest {
    /// The offset after which to begin; the beginning when absent.
    #[serde(default)]
    pub after: Option<Offset>,
    /// How many events at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Only events of this type.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// Events in the order of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    /// The events; fewer than the limit when the log ends here.
    pub events: Vec<LoggedEvent>,
    /// What to pass as `after` to go on from here, now or once there are more.
    pub next: Offset,
}

impl Request for ListEventsRequest {
    const NAME: &'static str = "events.list";
    const SUMMARY: &'static str = "Lists the events of the caller's log, the oldest first.";
    const PERMISSION: Permission = Permission::EventsRead;
    type Response = EventPage;

    async fn handle(self, context: Context) -> Result<EventPage> {
        let page = atom_core::storage::PageRequest::new(None, self.limit);
        let size = page.size()?;
        let scope = context.scope();
        let mut events = Vec::new();
        let mut next = self.after.unwrap_or(0);
        loop {
            let batch = context.parts.store.read(&scope, next, READ_SIZE).await?;
            let is_last = batch.len() < READ_SIZE;
            for logged in batch {
                if events.len() == size {
                    return Ok(EventPage { events, next });
                }
                next = logged.offset;
                if self.kind.as_ref().is_none_or(|kind| *kind == logged.event.kind) {
                    events.push(logged);
                }
            }
            if is_last {
                return Ok(EventPage { events, next });
            }
        }
    }
}

/// Follows the caller's log.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeEventsRequest {
    /// The offset after which to begin, 0 for all events; only events from now on when absent.
    #[serde(default)]
    pub after: Option<Offset>,
    /// Only events of this type.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

impl StreamRequest for SubscribeEventsRequest {
    const NAME: &'static str = "events.subscribe";
    const SUMMARY: &'static str = "Follows the caller's log of events without end.";
    const PERMISSION: Permission = Permission::EventsRead;
    type Item = LoggedEvent;

    fn handle(self, context: Context) -> Result<BoxStream<'static, Result<LoggedEvent>>> {
        let scope = context.scope();
        let mut head = context.parts.store.watch();
        let after = self.after.unwrap_or(*head.borrow_and_update());
        let batches = stream::try_unfold((after, head), move |(after, mut head)| {
            let (context, scope) = (context.clone(), scope.clone());
            async move {
                loop {
                    // Seen before it is read: what is appended in between wakes the next round.
                    head.mark_unchanged();
                    let batch = context.parts.store.read(&scope, after, READ_SIZE).await?;
                    if let Some(last) = batch.last().map(|logged| logged.offset) {
                        return Ok(Some((batch, (last, head))));
                    }
                    if head.changed().await.is_err() {
                        return Ok(None);
                    }
                }
            }
        });
        let kind = self.kind;
        let is_wanted =
            move |logged: &LoggedEvent| kind.as_ref().is_none_or(|kind| *kind == logged.event.kind);
        Ok(batches
            .flat_map(move |batch: Result<Vec<LoggedEvent>>| {
                let items: Vec<_> = match batch {
                    Ok(events) => events.into_iter().filter(&is_wanted).map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                stream::iter(items)
            })
            .boxed())
    }
}
