//! Several processes that serve the same users. Their live sets are rows of the store (`docs/operating.md`).

mod background;
mod beat;
mod deliveries;
mod known;
mod live_rows;
mod looking_after;
mod mailbox;
mod observer;
mod parcel;
mod remains;
mod seal;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;
use rollcall_core::{config, store::Statement};

pub use self::live_rows::LiveRowError;
use self::{background::Background, known::Known, seal::Seal};
pub(crate) use self::{
    beat::keep,
    deliveries::Notices,
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
    /// Whether this process has ended what was left open before it, or others have.
    entered: AtomicBool,
    /// Others that give no sign of life, by their numbers.
    declaring: Background<i64>,
    /// What others have left.
    sweeping: Background<()>,
    /// Users of theirs.
    taking_up: Background<()>,
    /// Orders that they were bringing to their users.
    orders: Background<()>,
    /// Orders that others give.
    learning: Background<()>,
    /// Sockets here, beside their rows.
    comparing: Background<()>,
    /// What others have for sockets here.
    known: Mutex<Known>,
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
        let (declaring, sweeping, taking_up, orders, learning, comparing) = Default::default();
        let (entered, known, has_met_other_form) = Default::default();
        Self {
            store,
            node,
            entered,
            declaring,
            sweeping,
            taking_up,
            orders,
            learning,
            comparing,
            known,
            seal,
            has_met_other_form,
        }
    }

    /// From here on this process looks after others.
    pub(crate) fn enter(&self) {
        self.entered.store(true, SeqCst);
    }

    fn has_entered(&self) -> bool {
        self.entered.load(SeqCst)
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
