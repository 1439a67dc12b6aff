//! What was learned by authenticating: tokens, and how services want to be answered.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use atom_core::{Result, Scope};
use tokio::sync::OnceCell;

use super::digest::Demand;
use super::token::AccessToken;

/// How many tokens, and how many demands, are remembered.
const CAPACITY: usize = 1000;

/// A policy of somebody.
pub(in crate::http) type Owner = (Scope, [u8; 32]);

/// Tokens by their owner. Nobody asks for a token while somebody else asks for the same one.
#[derive(Debug, Default)]
pub(in crate::http) struct Tokens {
    cells: Mutex<HashMap<Owner, Arc<OnceCell<Arc<AccessToken>>>>>,
}

impl Tokens {
    /// The token of an owner, and whether it was asked for now.
    ///
    /// # Errors
    /// What `ask` ends in; the next caller asks again.
    ///
    /// # Cancel safety
    /// Others who wait for the same token ask for it themselves.
    pub(in crate::http) async fn get<F>(
        &self,
        owner: &Owner,
        ask: impl FnOnce() -> F,
    ) -> Result<(Arc<AccessToken>, bool)>
    where
        F: Future<Output = Result<AccessToken>>,
    {
        let cell = self.cell(owner);
        let mut is_new = false;
        let token = cell
            .get_or_try_init(|| {
                is_new = true;
                let asked = ask();
                async { asked.await.map(Arc::new) }
            })
            .await?;
        Ok((Arc::clone(token), is_new))
    }

    /// Forgets a token that a service has refused.
    pub(in crate::http) fn forget(&self, owner: &Owner, refused: &Arc<AccessToken>) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let is_refused =
            |cell: &Arc<OnceCell<_>>| cell.get().is_some_and(|token| Arc::ptr_eq(token, refused));
        if cells.get(owner).is_some_and(is_refused) {
            cells.remove(owner);
        }
    }

    fn cell(&self, owner: &Owner) -> Arc<OnceCell<Arc<AccessToken>>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over =
            |cell: &Arc<OnceCell<Arc<AccessToken>>>| cell.get().is_some_and(|token| token.has_expired());
        match cells.get(owner) {
            Some(cell) if !is_over(cell) => Arc::clone(cell),
            _ => {
                make_room(&mut cells);
                let cell = Arc::default();
                cells.insert(owner.clone(), Arc::clone(&cell));
                cell
            }
        }
    }
}

/// A demand, and how many requests were made under it.
type Counted = (Arc<Demand>, u32);

/// How services want to be answered, by owner and origin.
#[derive(Debug, Default)]
pub(in crate::http) struct Demands {
    demands: Mutex<HashMap<(Owner, String), Counted>>,
}

impl Demands {
    /// The demand of an origin and the number of the next request under it.
    pub(in crate::http) fn next(&self, owner: &Owner, origin: &str) -> Option<(Arc<Demand>, u32)> {
        let mut demands = self.demands.lock().unwrap_or_else(PoisonError::into_inner);
        let (demand, count) = demands.get_mut(&(owner.clone(), origin.to_owned()))?;
        *count = count.checked_add(1)?;
        Some((Arc::clone(demand), *count))
    }

    /// Remembers a demand, under which one request is made.
    pub(in crate::http) fn put(&self, owner: &Owner, origin: &str, demand: Arc<Demand>) {
        let mut demands = self.demands.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut demands);
        demands.insert((owner.clone(), origin.to_owned()), (demand, 1));
    }
}

/// Forgets everything once there is too much: what is still of use is learned again.
fn make_room<K: Hash + Eq, V>(known: &mut HashMap<K, V>) {
    if known.len() >= CAPACITY {
        known.clear();
    }
}
