//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use atom_core::{Error, ErrorCode, Principal, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a role can be allowed. Every operation needs one. `runs.start` with the text of a document, and reading what a
/// document refers to, need `workflows.write`, too; `workflows.deploy` and `workflows.rollback` of one with a schedule need
/// `runs.write`, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum Permission {
    /// See what the engine is and how it fares.
    #[serde(rename = "engine.read")]
    EngineRead,
    /// See which functions there are.
    #[serde(rename = "functions.read")]
    FunctionsRead,
    /// Call functions directly.
    #[serde(rename = "functions.call")]
    FunctionsCall,
    /// See workflows, their schedules and alert rules, and templates.
    #[serde(rename = "workflows.read")]
    WorkflowsRead,
    /// Deploy, roll back and delete workflows, save and delete templates, pause and resume schedules, set and delete alert
    /// rules, and run documents that are not deployed. Who may decide what a workflow does may, together with `runs.write`,
    /// call every function and read every secret of the owner.
    #[serde(rename = "workflows.write")]
    WorkflowsWrite,
    /// See runs, what happened to them, and their statistics.
    #[serde(rename = "runs.read")]
    RunsRead,
    /// Start runs of deployed workflows, or ahead of their schedules; repeat runs, those of documents that are not deployed,
    /// too; cancel, pause, resume, signal, migrate and delete runs. A run may call every function and read every secret that
    /// its workflow names, whatever the permissions of who started it.
    #[serde(rename = "runs.write")]
    RunsWrite,
    /// See what runs ask the caller, and what the caller's own runs ask others.
    #[serde(rename = "approvals.read")]
    ApprovalsRead,
    /// Decide what runs ask the caller.
    #[serde(rename = "approvals.decide")]
    ApprovalsDecide,
    /// See events.
    #[serde(rename = "events.read")]
    EventsRead,
    /// Publish events.
    #[serde(rename = "events.write")]
    EventsWrite,
    /// See the names of secrets.
    #[serde(rename = "secrets.read")]
    SecretsRead,
    /// Set and delete secrets.
    #[serde(rename = "secrets.write")]
    SecretsWrite,
}

impl Permission {
    /// The stable wire form, e.g. `runs.write`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EngineRead => "engine.read",
            Self::FunctionsRead => "functions.read",
            Self::FunctionsCall => "functions.call",
            Self::WorkflowsRead => "workflows.read",
            Self::WorkflowsWrite => "workflows.write",
            Self::RunsRead => "runs.read",
            Self::RunsWrite => "runs.write",
            Self::ApprovalsRead => "approvals.read",
            Self::ApprovalsDecide => "approvals.decide",
            Self::EventsRead => "events.read",
            Self::EventsWrite => "events.write",
            Self::SecretsRead => "secrets.read",
            Self::SecretsWrite => "secrets.write",
        }
    }

    /// Whether operations that need it change nothing.
    #[must_use]
    pub const fn is_read_only(self) -> bool {
        matches!(
            self,
            Self::EngineRead
                | Self::FunctionsRead
                | Self::WorkflowsRead
                | Self::RunsRead
                | Self::ApprovalsRead
                | Self::EventsRead
                | Self::SecretsRead
        )
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The role that holds every permission.
const ADMIN: &str = "admin";
/// The role that may read everything and change nothing.
const VIEWER: &str = "viewer";

/// What each role may do.
#[derive(Clone, Debug)]
pub(crate) struct PermissionTable {
    roles: BTreeMap<String, BTreeSet<Permission>>,
}

impl PermissionTable {
    /// The built-in roles and these.
    ///
    /// # Errors
    /// `invalid_request` for an attempt to redefine a built-in role.
    pub(crate) fn new(roles: BTreeMap<String, Vec<Permission>>) -> Result<Self> {
        if let Some(role) = [ADMIN, VIEWER].into_iter().find(|role| roles.contains_key(*role)) {
            return Err(Error::invalid_request(format!(
                "the role '{role}' is built in; give the role in 'permissions' another name"
            )));
        }
        let roles = roles
            .into_iter()
            .map(|(role, permissions)| (role, permissions.into_iter().collect()));
        Ok(Self {
            roles: roles.collect(),
        })
    }

    /// Lets a principal pass that holds the permission.
    ///
    /// # Errors
    /// `permission_denied`.
    pub(crate) fn check(&self, principal: &Principal, permission: Permission) -> Result<()> {
        let grants = |role: &String| match role.as_str() {
            ADMIN => true,
            VIEWER => permission.is_read_only(),
            role => self
                .roles
                .get(role)
                .is_some_and(|permissions| permissions.contains(&permission)),
        };
        if principal.roles.is_empty() || principal.roles.iter().any(grants) {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::PermissionDenied,
            format!("this needs the permission '{permission}', which none of the caller's roles holds"),
        )
        .with_context("permission", permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(roles: &[&str], permission: Permission) -> bool {
        let operator = BTreeMap::from([("operator".to_owned(), vec![Permission::RunsWrite])]);
        let mut principal = Principal::new("acme", "ada").unwrap();
        principal.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        PermissionTable::new(operator)
            .unwrap()
            .check(&principal, permission)
            .is_ok()
    }

    #[test]
    fn roles_grant_what_they_say() {
        use Permission::{FunctionsCall, RunsRead, RunsWrite, SecretsWrite};
        for (roles, permission, expected) in [
            (&[][..], SecretsWrite, true),
            (&["admin"], SecretsWrite, true),
            (&["viewer"], RunsRead, true),
            (&["viewer"], RunsWrite, false),
            (&["viewer"], FunctionsCall, false),
            (&["operator"], RunsWrite, true),
            (&["operator"], RunsRead, false),
            (&["viewer", "operator"], RunsWrite, true),
            (&["stranger"], RunsRead, false),
        ] {
            assert_eq!(allows(roles, permission), expected, "{roles:?} {permission}");
        }
    }

    #[test]
    fn built_in_roles_cannot_be_redefined() {
        for role in ["admin", "viewer"] {
            let roles = BTreeMap::from([(role.to_owned(), vec![])]);
            assert_eq!(
                PermissionTable::new(roles).unwrap_err().code(),
                ErrorCode::InvalidRequest
            );
        }
    }

    #[test]
    fn the_wire_form_is_the_same_everywhere() {
        for permission in [
            Permission::EngineRead,
            Permission::FunctionsCall,
            Permission::SecretsWrite,
        ] {
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.as_str());
            assert_eq!(permission.is_read_only(), permission.as_str().ends_with(".read"));
        }
    }
}
