//! Bank accounts and their transactions.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Origin;

/// A bank, card or investment account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it is called.
    pub name: String,
    /// The kind, as the service names it, e.g. `checking`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The balance as an exact decimal number, e.g. `-12.50`.
    pub balance: String,
    /// The currency, ISO 4217.
    pub currency: String,
}

/// Money that moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transaction {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The id of the account.
    pub account_id: String,
    /// The amount as an exact decimal number; negative when money left the account.
    pub amount: String,
    /// The currency, ISO 4217.
    pub currency: String,
    /// What it was for.
    pub description: String,
    /// The day it was booked.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// The category, as the service or user names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Whether the bank has not booked it yet.
    #[serde(default)]
    pub is_pending: bool,
}
