//! Rules that tell when the caller's runs go wrong.

use atom_core::Result;
use atom_core::storage::{AlertReading, AlertRecord, AlertRule, Page, PageRequest};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation, Permission, Request};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<SetAlertRequest>(),
    Operation::call::<GetAlertRequest>(),
    Operation::call::<ListAlertsRequest>(),
    Operation::call::<DeleteAlertRequest>(),
];

/// An alert rule, and how it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// The rule.
    pub rule: AlertRule,
    /// When it was set as it is.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Since when it holds; absent while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub raised_at: Option<Timestamp>,
    /// The numbers when it began to hold, or when it ceased to; absent when it never held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<AlertReading>,
}

impl From<AlertRecord> for Alert {
    fn from(record: AlertRecord) -> Self {
        Self {
            rule: record.rule,
            since: record.since,
            raised_at: record.raised_at,
            reading: record.reading,
        }
    }
}

/// Sets an alert rule. One that has the name is replaced, and an alert that it had raised is resolved; setting a rule as
/// it is changes nothing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAlertRequest {
    /// The rule.
    pub rule: AlertRule,
}

impl Request for SetAlertRequest {
    const NAME: &'static str = "alerts.set";
    const SUMMARY: &'static str =
        "Sets a rule that publishes an event when runs go wrong, and when they no longer do.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = Alert;

    async fn handle(self, context: Context) -> Result<Alert> {
        let runtime = context.embedded(Self::NAME)?;
        runtime
            .put_alert(&context.scope(), self.rule)
            .await
            .map(Alert::from)
    }
}

/// Asks for an alert rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetAlertRequest {
    /// The rule's name.
    pub name: String,
}

impl Request for GetAlertRequest {
    const NAME: &'static str = "alerts.get";
    const SUMMARY: &'static str = "Gives an alert rule, and whether it holds.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = Alert;

    async fn handle(self, context: Context) -> Result<Alert> {
        let runtime = context.embedded(Self::NAME)?;
        runtime.alert(&context.scope(), &self.name).await.map(Alert::from)
    }
}

/// Asks which alert rules there are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAlertsRequest {
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many rules at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Request for ListAlertsRequest {
    const NAME: &'static str = "alerts.list";
    const SUMMARY: &'static str = "Lists alert rules by name, and whether they hold.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = Page<Alert>;

    async fn handle(self, context: Context) -> Result<Page<Alert>> {
        let page = PageRequest::new(self.after, self.limit);
        context.embedded(Self::NAME)?;
        let alerts = context.parts.store.alerts(&context.scope(), &page).await?;
        Ok(Page {
            items: alerts.items.into_iter().map(Alert::from).collect(),
            next: alerts.next,
        })
    }
}

/// Removes an alert rule. An alert that it had raised is resolved.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteAlertRequest {
    /// The rule's name.
    pub name: String,
}

/// Whether there was an alert rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedAlert {
    /// Whether there was one.
    #[serde(rename = "deleted")]
    pub is_deleted: bool,
}

impl Request for DeleteAlertRequest {
    const NAME: &'static str = "alerts.delete";
    const SUMMARY: &'static str = "Removes an alert rule.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = DeletedAlert;

    async fn handle(self, context: Context) -> Result<DeletedAlert> {
        let runtime = context.embedded(Self::NAME)?;
        let is_deleted = runtime.delete_alert(&context.scope(), &self.name).await?;
        Ok(DeletedAlert { is_deleted })
    }
}
