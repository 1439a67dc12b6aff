//! Events of calendars.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Origin};

/// A point in a calendar: a moment, or a whole day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EventTime {
    /// A moment.
    #[schemars(title = "Moment")]
    Moment {
        /// The moment in UTC.
        #[schemars(with = "String")]
        at: Timestamp,
        /// The IANA time zone the event was entered in, when known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    /// A whole day, wherever one is.
    #[schemars(title = "Day")]
    Day {
        /// The day.
        #[schemars(with = "String")]
        date: Date,
    },
}

/// Whether an event takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// It takes place.
    #[default]
    Confirmed,
    /// It may take place.
    Tentative,
    /// It was called off.
    Cancelled,
}

/// What an invited person answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttendeeResponse {
    /// Nothing so far.
    #[default]
    NeedsAction,
    /// Yes.
    Accepted,
    /// No.
    Declined,
    /// Perhaps.
    Tentative,
}

/// Somebody invited to an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attendee {
    /// Who.
    #[serde(flatten)]
    pub address: Address,
    /// What the person answered.
    #[serde(default)]
    pub response: AttendeeResponse,
}

/// One occurrence of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Where it came from. The `remote_id` of an occurrence of a recurring event is the series' id, `@`, and
    /// the occurrence's original start.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it is called.
    pub title: String,
    /// When it starts.
    pub start: EventTime,
    /// When it ends, exclusive.
    pub end: EventTime,
    /// Whether it covers whole days.
    pub is_all_day: bool,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it takes place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Who invites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organizer: Option<Address>,
    /// Who is invited.
    #[serde(default)]
    pub attendees: Vec<Attendee>,
    /// Whether it takes place.
    #[serde(default)]
    pub status: EventStatus,
    /// Whether it leaves the time free for others.
    #[serde(default)]
    pub is_free: bool,
    /// The id of the series it is an occurrence of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series_id: Option<String>,
    /// The rule of the series, RFC 5545 section 3.3.10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
}

/// Two events at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conflict {
    /// The one that starts first.
    pub first: Event,
    /// The other.
    pub second: Event,
    /// For how many minutes both take place.
    pub overlap_minutes: i64,
}
