//! Users: each executes one command at a time, and is in memory while it is in use.
//!
//! The *user lock* spans load, apply, commit and act of one command, and is held until the command is done even when its
//! caller has left. Where other processes serve the same users, the lock is one of the engine's too (`turn`). The *live* part
//! has a short lock of its own, so that readers never wait for a commit: they see the state before it or after it.

mod comparing;
mod cutoffs;
mod delivery;
mod detached;
mod doubts;
mod entry;
mod entry_guard;
mod error;
mod follow;
mod force_offs;
mod imports;
mod learning;
mod mailbox;
mod openings;
mod registry;
mod retry;
mod run;
mod scoped_orders;
#[cfg(test)]
mod several_tests;
#[cfg(test)]
mod shared_tests;
mod table;
mod taking_up;
mod tenant_orders;
#[cfg(test)]
mod tests;
mod turn;
mod under_way;
mod unseen;

pub(crate) use self::unseen::MOST as MOST_UNSEEN;
pub use self::{error::CommandError, registry::Users, run::PendingSocket};

/// The entry in the audit of an order to a tenant.
#[cfg(test)]
fn entry_of_order(tenant: rollcall_core::id::TenantId) -> rollcall_core::audit::Part {
    use rollcall_core::audit::{Entry, EntryId, Operation, Part, Progress};
    let id = EntryId::draw(crate::clock::now(), rand::random());
    let by = rollcall_core::id::UserId::from(1);
    let entry = Entry { id, tenant: Some(tenant), by, operation: Operation::Off, details: "{}".to_owned() };
    Part::whole(entry, tenant, None, Progress::InForce)
}
