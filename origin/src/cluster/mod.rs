//! Several processes that serve the same users. Their live sets are rows of the store (`docs/operating.md`).

mod background;
mod beat;
mod live_rows;
mod mailbox;
mod observer;
mod parcel;
mod remains;
mod seal;

use std::sync::atomic::AtomicBool;

use rollcall_core::{config, store::Statement};

pub use self::live_rows::LiveRowError;
use self::{background::Background, seal::Seal};
pub(crate) use self::{
    beat::keep,
    live_rows::{LiveRows, forget_all, of_user},
    mailbox::keep as keep_mailbox,
    parcel::{Elsewhere, Parcel, read as read_parcels, waiting_of},
    remains::is_awake,
};
use crate::store::{Patience, Postgres, Rows, StoreError};

/// The lock of those who give orders: serials are drawn under it. No user has this name.
pub(crate) const ORDERS: &str = " orders";
/// The lock of those who start.
pub(crate) const STARTS: &str = " starts";

/// What this process is among those of the store.
pub(crate) struct Cluster {
    pub(crate) store: Postgres,
    /// The number of this process. Each start draws one.
    pub(crate) node: i64,
    /// What others have left.
    looking_after: Background,
    seal: Seal,
    /// Whether a row of another version was met.
    has_met_other_form: AtomicBool,
}

impl Cluster {
    pub(crate) fn new(store: Postgres, auth: &config::Auth) -> Self {
        // A server without a secret does not start.
        let secret = auth.secret.clone().unwrap_or_default();
        let seal = Seal::new(&secret, &auth.previous_secrets);
        let node = store.node();
        let looking_after = Background::default();
        Self { store, node, looking_after, seal, has_met_other_form: AtomicBool::new(false) }
    }

    /// The answer to a question about orders once every commit of one has happened or not: the session of a commit without an answer
    /// holds the lock until that is decided.
    ///
    /// # Errors
    /// As [`Postgres::begin`].
    pub(crate) async fn decided_orders(&self, question: Statement) -> Result<Rows, StoreError> {
        let (transaction, mut answers) = self.store.begin(ORDERS, &[question], Patience::Long).await?;
        transaction.roll_back();
        answers.pop().ok_or(StoreError::Unanswered)
    }
}
