//! Orders to a selection of connections (`docs/rules/administration.md#orders-to-a-selection`).
//!
//! A route reads the body, asks the directory what matches, and hands over a [`NewOrder`] or a dry run of one. Both are durable before anything
//! of them happens: the selection lies in parts, and a part goes when the order has come to its users. So an order that a death cut short
//! goes on where it was. One to many users is a scoped cutoff from its own commit on (`crate::shard::scoped`), which has the set from then on.

mod body;
mod store;
mod tree;

pub use self::{
    body::{Request, Wanted},
    store::{
        KeptRun, Opened, abandon_all, begin, cut_off, dry_run, earliest, forget_part, get, keep_dry_run,
        list, next_due, next_part, open_dry_runs, opened, put_off, read_count, read_dry_run, read_due,
        read_order, read_orders, read_part, read_selected, sweep, take_up, whole_selection,
    },
};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    audit::{Entry, EntryId, Part, Progress as Written},
    deny::DenyWindow,
    id::{RecordId, TenantId, UserId},
    message_center::to_receiver,
    serial::Serial,
    time::Timestamp,
    token::TokenHash,
    user::{Command, ForceOff},
};

/// The most connections, and the most users, of a selection.
pub const MOST: usize = 100_000;
/// How long the selection of a dry run is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(600);
/// The most dry runs of a tenant that are open: neither carried out nor over.
pub const OPEN: u64 = 16;
/// Users, and connections, of one part of a selection. A step of an order comes to the users of a part.
pub const PART: usize = 500;
/// The latest orders of a tenant that are shown.
pub const SHOWN_ORDERS: u32 = 1_000;
/// The most orders of one answer.
pub const PAGE: u32 = 100;
/// The most users that are named of those that an order has not reached.
pub const NAMED: u32 = 20;
/// An order that nobody carries on for so long is taken up again.
pub const ABANDONED: Duration = Duration::from_secs(60);
/// The pause before an order goes on to users that could not be reached.
pub const AGAIN: Duration = Duration::from_secs(5);

/// What an order takes of the selected users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Everything of each user.
    User,
    /// The selected connections, and the tokens that they live on.
    Connection,
}

impl Scope {
    /// The name in the store and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Connection => "connection",
        }
    }
}

/// A user of a selection with the records of its selected connections; without any, where all of the user is meant.
pub type Taken = (i64, Vec<RecordId>);

/// What an order is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// The users, ascending, each once.
    pub users: Vec<Taken>,
    /// How many online connections match.
    pub connections: u64,
}

/// An order that is given, or its dry run, whose receipt is then the id of its entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// The hash of caller and body.
    pub body: TokenHash,
    /// The dry run whose selection it carries out.
    pub receipt: Option<EntryId>,
    /// Its selection, where it has no receipt: the users, ascending, each once.
    pub users: Vec<Taken>,
    /// How many online connections match.
    pub connections: u64,
    /// The order itself.
    pub order: Order,
}

/// An order, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The tenant whose users it is about.
    pub tenant: TenantId,
    /// What it takes.
    pub scope: Scope,
    /// Why it was given.
    pub reason: Option<String>,
    /// For how many seconds its users are denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<u32>,
    /// The message that consoles get before they are closed, without receivers.
    pub notice: String,
    /// Its entry in the audit, whose id is the order's.
    pub entry: Entry,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is durable, and has not come to all of its users.
    Ordered,
    /// No reader shows any more what it took.
    CutOff,
}

impl State {
    /// The name in the store and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::CutOff => "cutOff",
        }
    }
}

/// An order with its progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The order.
    pub order: Order,
    /// How far it is.
    pub state: State,
    /// How many users it is about.
    pub users: u64,
    /// How many connections matched.
    pub connections: u64,
    /// How many users it has come to.
    pub reached: u64,
    /// The number of its scoped cutoff, if it is one.
    pub serial: Option<Serial>,
    /// The id that its selection is kept under.
    pub selection: EntryId,
    /// When somebody else takes it up.
    pub next_at: Timestamp,
}

/// A question to the store of a tenant's orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Keep this selection. Answered with [`Answer::Kept`] or [`Answer::TooMany`].
    DryRun(Box<NewOrder>),
    /// Carry this order out, once. Answered with [`Answer::Order`], [`Answer::TooMany`] or [`Answer::Conflict`].
    Give(Box<NewOrder>),
    /// How far is this order? Answered with [`Answer::Order`] or [`Answer::Unknown`].
    Show(EntryId),
    /// The orders before this one, the newest first. Answered with [`Answer::Orders`].
    List {
        /// Where the page before ended.
        before: Option<EntryId>,
        /// The most orders of the answer.
        limit: u32,
    },
}

/// An answer of the store of a tenant's orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The selection is kept.
    Kept,
    /// Nothing was done: there are too many of the kind.
    TooMany,
    /// Nothing was done: the receipt is of another caller or body, or over.
    Conflict,
    /// There is no such order.
    Unknown,
    /// An order, with the first users that it has not reached.
    Order(Box<Progress>, Vec<i64>),
    /// Orders, the newest first.
    Orders(Vec<Progress>),
}

impl Progress {
    /// How many users it has come to, where its delivery has come to so many; a scoped cutoff without one is delivered.
    pub fn reached_by(&self, delivery: Option<u64>) -> u64 {
        if self.serial.is_some() { delivery.unwrap_or(self.users) } else { self.reached }
    }

    /// Whether its users are told one by one, and not by a scoped cutoff. `direct` is `message_center.direct_users`.
    pub fn is_direct(&self, direct: u32) -> bool {
        self.order.is_direct(self.users, direct)
    }
}

impl Order {
    fn is_direct(&self, users: u64, direct: u32) -> bool {
        self.scope == Scope::Connection || users <= u64::from(direct)
    }

    /// The deny window that it opens for each of its users.
    pub fn window(&self) -> Option<DenyWindow> {
        let Entry { id, by, .. } = &self.entry;
        self.deny.map(|seconds| DenyWindow {
            tenant: self.tenant,
            until: id.at() + Duration::from_secs(seconds.into()),
            order: *id,
            by: by.clone(),
            reason: self.reason.clone(),
        })
    }

    /// What the order is to one user.
    pub fn command(&self, (user, records): &Taken) -> (UserId, Command) {
        let notice = to_receiver(&self.notice, Some(*user));
        let order = match self.scope {
            Scope::User => ForceOff::Everything {
                within: Some(self.tenant),
                notice: Some(notice),
                at: Some(self.entry.id.at()),
            },
            Scope::Connection => {
                ForceOff::Connections { within: self.tenant, records: records.clone(), notice }
            }
        };
        let order = Box::new(Command::ForceOff(order.denying(self.window())));
        (UserId::from(*user), Command::Audited { order, entry: Box::new(self.entry.clone()) })
    }
}

impl NewOrder {
    /// Whether it is to be one more order under delivery. `run` is the dry run of its receipt; `direct` is
    /// `message_center.direct_users`.
    pub fn needs_delivery(&self, run: Option<KeptRun>, direct: u32) -> bool {
        let users = match self.receipt {
            Some(_) => run.map_or(0, |run| run.users),
            None => u64::try_from(self.users.len()).unwrap_or(u64::MAX),
        };
        !self.order.is_direct(users, direct) && !run.is_some_and(|run| run.is_carried_out)
    }

    /// Its entry, if it is a dry run.
    pub fn audit(&self) -> Part {
        let Order { tenant, entry, .. } = &self.order;
        let part = Part::whole(entry.clone(), *tenant, Some(self.users.len()), Written::Done);
        Part { connections: Some(self.connections), ..part }
    }

    /// The parts in which its selection is stored.
    fn parts(&self) -> impl Iterator<Item = &[Taken]> {
        let mut rest = self.users.as_slice();
        std::iter::from_fn(move || {
            let mut weight = 0;
            let fits = |one: &&Taken| {
                weight += one.1.len().max(1);
                weight <= PART
            };
            let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
            let (part, others) = rest.split_at_checked(count)?;
            rest = others;
            (!part.is_empty()).then_some(part)
        })
    }
}

#[cfg(test)]
mod tests;
