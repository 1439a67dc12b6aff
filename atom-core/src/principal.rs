//! On whose behalf an operation runs.
//!
//! ```
//! use atom_core::Principal;
//!
//! let principal = Principal::new("acme", "ada")?;
//! assert_eq!(principal.scope().to_string(), "acme/ada");
//! # Ok::<(), atom_core::Error>(())
//! ```

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The longest tenant or user name, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// Whether a text can name a tenant or a user: 1 to 128 bytes without control characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The tenant, user and roles that the host application supplies for every operation.
///
/// It is never a field of a request: a request cannot choose whom it acts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The tenant, 1 to 128 bytes without control characters.
    pub tenant: String,
    /// The user within the tenant, 1 to 128 bytes without control characters.
    pub user: String,
    /// Roles that permissions are granted to. `admin` holds every permission; no role at all means `admin`,
    /// because a single-user application has nobody to restrict.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl Principal {
    /// A principal without roles.
    ///
    /// # Errors
    /// `invalid_request` when a name is empty, too long or holds a control character.
    pub fn new(tenant: impl Into<String>, user: impl Into<String>) -> Result<Self> {
        let principal = Self {
            tenant: tenant.into(),
            user: user.into(),
            roles: Vec::new(),
        };
        principal.validate()?;
        Ok(principal)
    }

    /// Checks the names, for principals that were deserialised.
    ///
    /// # Errors
    /// `invalid_request` when a name is empty, too long or holds a control character.
    pub fn validate(&self) -> Result<()> {
        for (field, name) in [("tenant", &self.tenant), ("user", &self.user)] {
            if !is_name(name) {
                return Err(Error::invalid_request(format!(
                    "the principal's {field} must be 1 to {MAX_NAME_BYTES} bytes without control characters"
                )));
            }
        }
        Ok(())
    }

    /// Whether the principal has a role; one without any has the role `admin`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.effective_roles().any(|own| own == role)
    }

    /// The roles of the principal; `admin` when it has none.
    pub fn effective_roles(&self) -> impl Iterator<Item = &str> {
        let admin = self.roles.is_empty().then_some("admin");
        self.roles.iter().map(String::as_str).chain(admin)
    }

    /// What storage rows, events and keys of this principal are scoped by.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
        }
    }
}

/// The owner of stored rows: one user of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The tenant.
    pub tenant: String,
    /// The user within the tenant.
    pub user: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.tenant, self.user)
    }
}
