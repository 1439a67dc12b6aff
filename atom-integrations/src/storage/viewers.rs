//! Who sees an approval: `owner:` and the owner of the run, `user:` and who may decide it, `role:` and whose role may.

use std::collections::BTreeSet;

use atom_core::Principal;
use atom_core::storage::{ApprovalRecord, Assignees};

use super::rows::{Decoded, decode_error};

/// Whose approvals a principal sees, or may decide.
pub(super) fn viewers_of(principal: &Principal, is_assigned: bool) -> Vec<String> {
    let owner = (!is_assigned).then(|| format!("owner:{}", principal.user));
    let roles: BTreeSet<_> = principal.effective_roles().collect();
    std::iter::once(format!("user:{}", principal.user))
        .chain(owner)
        .chain(roles.into_iter().map(|role| format!("role:{role}")))
        .collect()
}

/// Who sees an approval.
pub(super) fn viewers(approval: &ApprovalRecord) -> BTreeSet<String> {
    viewers_among(&approval.owner.user, &approval.assignees)
}

/// Who sees an approval that a user's run asks these for.
pub(super) fn viewers_among(owner: &str, assignees: &Assignees) -> BTreeSet<String> {
    let mut viewers = BTreeSet::from([format!("owner:{owner}")]);
    if assignees.is_empty() {
        viewers.insert(format!("user:{owner}"));
    }
    viewers.extend(assignees.users.iter().map(|user| format!("user:{user}")));
    viewers.extend(assignees.roles.iter().map(|role| format!("role:{role}")));
    viewers
}

/// The one of these that has a name.
pub(super) fn named<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Decoded<T> {
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| decode_error(std::io::Error::other("the state of an approval is unknown")))
}
