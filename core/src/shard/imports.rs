//! Which tenants have imported records of a user (`docs/rules/edge.md#imports`).
//!
//! Each tenant has a directory of its own, and a user's object hears nothing of imports. So every imported record that may be online
//! has an entry in one more directory, whose shards are asked by user. An entry says where to look, and never that a record is online.

use sha2::{Digest as _, Sha256};

use crate::{
    directory::record::Record,
    id::{RecordId, TenantId},
};

/// The name of that directory. No user is of this tenant.
pub const ENTRIES: TenantId = TenantId(i64::MIN);

/// The entry of an imported record; `None` where the record has ended.
///
/// Its id is a hash of the record's tenant and id, since two tenants may have records of the same id.
pub fn entry(record: &Record) -> Option<Record> {
    if record.offline_at.is_some() {
        return None;
    }
    let hash = <[u8; 32]>::from(Sha256::digest(format!("{}:{}", record.tenant, record.id)));
    let (first, _) = hash.split_first_chunk()?;
    let id = RecordId::from_number(i64::from_be_bytes(*first) & i64::MAX)?;
    let text = String::new;
    Some(Record {
        id,
        full_name: text(),
        avatar: None,
        user_agent: text(),
        device_id: text(),
        remote_address: text(),
        member_of: None,
        ..record.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{directory::tests::support::sample, time::Timestamp};

    #[test]
    fn an_entry_names_user_and_tenant_and_nothing_else_of_the_record() {
        let record = Record { tenant: TenantId(3), offline_at: None, ..sample(1) };
        let found = entry(&record).unwrap();
        assert_eq!(
            (found.user, found.tenant, found.lease_until),
            (record.user, record.tenant, record.lease_until)
        );
        assert_eq!(found.full_name + &found.device_id + &found.remote_address + &found.user_agent, "");
        assert_eq!(entry(&record).unwrap().id, found.id, "the same record again");
        let elsewhere = Record { tenant: TenantId(4), ..record.clone() };
        assert_ne!(entry(&elsewhere).unwrap().id, found.id, "the same id in another tenant");
        assert_eq!(entry(&Record { offline_at: Some(Timestamp::from_secs(1)), ..record }), None);
    }
}
