//! Deny windows (`docs/rules/users.md#deny-windows`): until when a user may not come back.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    audit::EntryId,
    directory::zone::Zone,
    id::{TenantId, UserId},
    json,
    store::Value,
    time::Timestamp,
};

/// The longest window, in seconds.
pub const LONGEST: u32 = 365 * 86_400;
/// The longest reason of an order, in bytes.
pub(crate) const REASON_BYTES: usize = 500;
/// The most tenants whose windows are stored for a user.
const WINDOWS: usize = 8;

/// A deny window of a user. It has one form, in stores, between objects and in exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenyWindow {
    /// The tenant of the order. The window counts while the user is of it.
    #[serde(rename = "tenantId", serialize_with = "as_text", deserialize_with = "tenant")]
    pub tenant: TenantId,
    /// Its end, by the clock of the machine that looks: that of `exp`.
    #[serde(deserialize_with = "instant")]
    pub until: Timestamp,
    /// The order, whose id holds its date.
    #[serde(rename = "orderId")]
    pub order: EntryId,
    /// Who gave the order.
    pub by: UserId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl DenyWindow {
    /// Whether it keeps its user out at this moment of the machine's clock.
    pub fn is_open(&self, machine: Timestamp) -> bool {
        self.until > machine
    }
}

fn as_text<S: Serializer>(tenant: &TenantId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(tenant)
}

fn tenant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TenantId, D::Error> {
    json::integer(deserializer).map(TenantId)
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    json::integer(deserializer).map(Timestamp::from_millis)
}

/// What the callers of a denied user are told.
pub fn told(until: Timestamp) -> String {
    format!("denied until {} UTC", Zone::default().format(until))
}

/// A user's windows with some more of them, one a tenant: the one that ends last. `None` where nothing changes.
pub(crate) fn merged<'a>(
    windows: &[DenyWindow],
    more: impl IntoIterator<Item = &'a DenyWindow>,
) -> Option<Vec<DenyWindow>> {
    let mut all = windows.to_vec();
    for window in more {
        match all.iter_mut().find(|other| other.tenant == window.tenant) {
            Some(other) if other.until < window.until => other.clone_from(window),
            Some(_) => {}
            None => all.push(window.clone()),
        }
    }
    while all.len() > WINDOWS {
        let first = all.iter().enumerate().min_by_key(|(_, window)| window.until);
        let Some((place, _)) = first else { break };
        all.remove(place);
    }
    (all != windows).then_some(all)
}

/// The column of an order's window, which is blank without one.
pub(crate) fn column(window: Option<&DenyWindow>) -> Value {
    window.map_or_else(|| "".into(), Value::json)
}

/// Reads that column; `None` where it does not read.
pub(crate) fn read_column(value: &Value) -> Option<Option<DenyWindow>> {
    match value {
        Value::Text(text) if text.is_empty() => Some(None),
        Value::Text(text) => json::read(text).ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(tenant: i64, until: i64) -> DenyWindow {
        DenyWindow {
            tenant: TenantId(tenant),
            until: Timestamp::from_secs(until),
            order: EntryId::draw(Timestamp::from_secs(1), 7),
            by: UserId::from(900),
            reason: None,
        }
    }

    #[test]
    fn the_later_end_wins_and_each_tenant_has_its_own() {
        let own = [window(1, 100)];
        assert_eq!(merged(&own, [&window(1, 99)]), None, "a shorter one");
        assert_eq!(merged(&own, [&window(1, 101)]), Some(vec![window(1, 101)]));
        assert_eq!(merged(&own, [&window(2, 1)]), Some(vec![window(1, 100), window(2, 1)]));
        let many: Vec<DenyWindow> = (0..20).map(|tenant| window(tenant, 50 + tenant)).collect();
        let kept = merged(&own, &many).unwrap();
        assert_eq!(kept.len(), WINDOWS);
        assert!(kept.contains(&window(1, 100)) && kept.contains(&window(19, 69)));
        assert_eq!(merged(&kept, &many), None);
    }

    #[test]
    fn it_ends_at_its_instant_and_says_so_in_utc() {
        let window = window(0, 1_753_000_000);
        assert!(window.is_open(window.until - std::time::Duration::from_millis(1)));
        assert!(!window.is_open(window.until));
        assert_eq!(told(window.until), "denied until 2025-07-20 08:26:40 UTC");
    }

    #[test]
    fn a_column_reads_as_it_was_written() {
        for window in [None, Some(window(-5, 3))] {
            assert_eq!(read_column(&column(window.as_ref())), Some(window));
        }
        assert_eq!(read_column(&Value::Null), None);
        assert_eq!(read_column(&"{}".into()), None);
    }
}
