//! Secrets of the caller, for expressions and connectors. Their texts go in and never come out.

use atom_core::storage::SecretInfo;
use atom_core::{Result, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation, Permission, Request};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<SetSecretRequest>(),
    Operation::call::<ListSecretsRequest>(),
    Operation::call::<DeleteSecretRequest>(),
];

/// Keeps a secret.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSecretRequest {
    /// Its name: 1 to 128 letters, digits, `_`, `-` and `.`, starting with a letter.
    pub name: String,
    /// Its text, at most 64 KiB.
    pub value: Secret,
}

impl Request for SetSecretRequest {
    const NAME: &'static str = "secrets.set";
    const SUMMARY: &'static str = "Keeps a secret under a name, replacing an earlier one.";
    const PERMISSION: Permission = Permission::SecretsWrite;
    type Response = SecretInfo;

    async fn handle(self, context: Context) -> Result<SecretInfo> {
        let now = context.parts.clock.now();
        context
            .parts
            .vault
            .set(&context.scope(), &self.name, &self.value, now)
            .await
    }
}

/// Asks which secrets there are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSecretsRequest {}

/// Secrets without their texts, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretList {
    /// The secrets.
    pub secrets: Vec<SecretInfo>,
}

impl Request for ListSecretsRequest {
    const NAME: &'static str = "secrets.list";
    const SUMMARY: &'static str = "Lists the names of the caller's secrets.";
    const PERMISSION: Permission = Permission::SecretsRead;
    type Response = SecretList;

    async fn handle(self, context: Context) -> Result<SecretList> {
        Ok(SecretList {
            secrets: context.parts.vault.list(&context.scope()).await?,
        })
    }
}

/// Removes a secret.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteSecretRequest {
    /// Its name.
    pub name: String,
}

/// Whether a secret was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedSecret {
    /// Whether there was one.
    #[serde(rename = "deleted")]
    pub is_deleted: bool,
}

impl Request for DeleteSecretRequest {
    const NAME: &'static str = "secrets.delete";
    const SUMMARY: &'static str = "Removes a secret.";
    const PERMISSION: Permission = Permission::SecretsWrite;
    type Response = DeletedSecret;

    async fn handle(self, context: Context) -> Result<DeletedSecret> {
        let is_deleted = context.parts.vault.delete(&context.scope(), &self.name).await?;
        Ok(DeletedSecret { is_deleted })
    }
}
