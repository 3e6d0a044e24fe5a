//! Who gives an order (`docs/rules/administration.md#audit`).

use std::net::IpAddr;

use http::Extensions;
use rollcall_core::{
    audit::{self, Details, Entry, EntryId, Operation, Records, Selection},
    id::{TenantId, UserId},
    token::TokenHash,
};

use crate::{Backend, ClientAddress};

/// The caller of a route that gives orders, as the audit names it.
#[derive(Clone, Debug)]
pub(crate) struct Giver {
    pub(crate) user: UserId,
    /// The hash of the caller's token.
    pub(crate) token: TokenHash,
    pub(crate) address: Option<IpAddr>,
}

impl Giver {
    /// The entry of an order that is given now. `tenant` is the one that it is given in, if it is given in one.
    pub(crate) fn entry<B: Backend>(
        &self,
        backend: &B,
        tenant: Option<TenantId>,
        operation: Operation,
        selection: Selection,
    ) -> Entry {
        Entry {
            id: EntryId::draw(backend.now(), backend.random()),
            tenant,
            by: self.user.clone(),
            operation,
            details: self.details(selection, None),
        }
    }

    /// The details of an entry.
    pub(crate) fn details(&self, selection: Selection, records: Option<Records>) -> String {
        let by = audit::Giver { user_id: self.user.clone(), token_sha256: self.token };
        Details { by, remote_address: self.address, selection, records }.text()
    }
}

/// The address that a request came from, where it is known.
pub(crate) fn address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ClientAddress>().map(|address| address.0)
}
