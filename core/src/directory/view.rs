//! Liveness: whether a record counts as ended, and since when (`docs/rules/message-center.md#liveness`).
//!
//! "Online" is never stored. It follows from the record's own end, the end of its lease and its tenant's cutoff at one
//! moment. This file holds the rule twice, over a [`Record`] and as SQL, and tests compare the two.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    record::{Record, Source},
    sql::Binder,
};
use crate::{
    deny::DenyWindow,
    serial::{Began, Serial},
    time::Timestamp,
};

/// Stands for no end where ends are compared.
const NEVER: i64 = i64::MAX;

/// The revocation cutoff of a tenant, set by an order to the whole tenant
/// (`docs/rules/message-center.md#cutoffs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutoff {
    /// The number of the order. It covers what began under a smaller one.
    pub serial: Serial,
    /// The date of the order, shown as the end of what it ended. Imported records and tokens of other issuers go by it.
    pub at: Timestamp,
    /// User numbers that the order does not cover.
    pub exempt: Vec<i64>,
    /// Whether the tenant was unlocked since: opaque tokens are good again, what was ended stays so.
    #[serde(default)]
    pub lifted: bool,
    /// The deny window that an order to a set of users opens for each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Box<DenyWindow>>,
}

impl Cutoff {
    /// The cutoff of a new order, `newest` being the serial in force and `before` the tenant's previous cutoff.
    ///
    /// Its date never lies before that of the previous one, or a token of another issuer that only the previous one took would
    /// be good again. A lifted one takes nothing any more.
    pub fn next(before: Option<&Self>, newest: Serial, exempt: Vec<i64>, now: Timestamp) -> Self {
        let held = before.filter(|before| !before.lifted).map_or(now, |before| before.at);
        Self { serial: newest.next(), at: now.max(held), exempt, lifted: false, deny: None }
    }

    /// The cutoff after the one of another server has come here; `None` where it changes nothing. It has no serial, since serials
    /// are of one server: it goes by its date, which tokens of ours and of snapshots do not. `own` is the one here.
    ///
    /// # Errors
    /// When an older order of this server would be replaced.
    pub fn adopt(own: Option<&Self>, moved: Self) -> Result<Option<Self>, OwnOrder> {
        match own {
            Some(own) if own.at > moved.at || *own == moved => Ok(None),
            Some(own) if own.serial == Serial::NONE => {
                Ok(Some(Self { lifted: moved.lifted || (own.lifted && own.at == moved.at), ..moved }))
            }
            Some(_) => Err(OwnOrder),
            None => Ok(Some(moved)),
        }
    }

    /// Whether the order came after this beginning.
    pub fn follows(&self, began: Began) -> bool {
        if self.serial == Serial::NONE {
            began.under < Serial::NONE && began.at <= self.at
        } else {
            began.under < self.serial
        }
    }

    /// Whether the cutoff ends this record, unless the record ended before.
    pub fn covers(&self, record: &Record) -> bool {
        // An import began elsewhere, under no serial of ours.
        let is_later = record.source == Source::Import && record.online_at > self.at;
        self.follows(record.began()) && !is_later && !self.exempt.contains(&record.user)
    }
}

/// An older order of this server to the tenant is in the way of one that another server gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this server has given the tenant an order of its own")]
pub struct OwnOrder;

/// The cutoff of an order to a set of users, in force until its delivery is done
/// (`docs/rules/message-center.md#scoped-cutoffs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopedCutoff {
    /// The number of the order, among those of the tenant.
    pub serial: Serial,
    /// The date of the order.
    pub at: Timestamp,
    /// The numbers of the users, ascending. Each question about records has them, so views share them.
    pub users: Arc<[i64]>,
}

impl ScopedCutoff {
    /// Whether the order is about this user.
    pub fn names(&self, user: i64) -> bool {
        self.users.binary_search(&user).is_ok()
    }

    /// The order as it concerns one of its users.
    pub const fn of_one(&self) -> Cutoff {
        Cutoff { serial: self.serial, at: self.at, exempt: Vec::new(), lifted: false, deny: None }
    }

    /// Whether the cutoff ends this record, unless the record ended before.
    pub fn covers(&self, record: &Record) -> bool {
        self.names(record.user) && self.of_one().covers(record)
    }
}

/// The moment and the cutoffs under which records are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The instant at which leases are checked.
    pub now: Timestamp,
    /// The tenant's cutoff; usually there is none.
    pub cutoff: Option<Cutoff>,
    /// The tenant's scoped cutoffs; usually there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scoped: Vec<ScopedCutoff>,
    /// The instant before which ended records are due for deletion, and in no answer any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_from: Option<Timestamp>,
    /// Whether the database that is asked has the sets of the scoped cutoffs as rows (`crate::shard::scoped`). It looks there then: a
    /// set may have 100,000 users, and a statement that brings it would bind them all.
    #[serde(skip)]
    pub has_rows_of_sets: bool,
}

impl View {
    /// The view of a tenant without a cutoff, of every record that is stored.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, cutoff: None, scoped: Vec::new(), retained_from: None, has_rows_of_sets: false }
    }

    /// The view of a tenant under these cutoffs, where ended records are kept for so many days
    /// (`message_center.retention_days`).
    pub fn under(
        cutoff: Option<Cutoff>,
        scoped: Vec<ScopedCutoff>,
        now: Timestamp,
        retention_days: u32,
    ) -> Self {
        let retained_from = Some(retained_from(now, retention_days));
        Self { now, cutoff, scoped, retained_from, has_rows_of_sets: false }
    }

    /// The same view of one user's records.
    #[must_use]
    pub fn of_user(&self, user: i64) -> Self {
        let naming = self.scoped.iter().filter(|scoped| scoped.names(user));
        let scoped = naming.map(|scoped| ScopedCutoff { users: Arc::new([user]), ..*scoped }).collect();
        Self { cutoff: self.cutoff.clone(), scoped, ..*self }
    }

    /// The same view for each of `places`, with the part of each set whose users `place` has there.
    pub fn split(&self, places: usize, place: impl Fn(i64) -> usize) -> Vec<Self> {
        let without = Self { cutoff: self.cutoff.clone(), scoped: Vec::new(), ..*self };
        let mut views = vec![without; places];
        for scoped in &self.scoped {
            let mut parts = vec![Vec::new(); places];
            for user in scoped.users.iter() {
                if let Some(part) = parts.get_mut(place(*user)) {
                    part.push(*user);
                }
            }
            for (view, part) in views.iter_mut().zip(parts) {
                if !part.is_empty() {
                    view.scoped.push(ScopedCutoff { users: part.into(), ..*scoped });
                }
            }
        }
        views
    }

    /// Whether the record is in answers: it is not due for deletion.
    pub fn retains(&self, record: &Record) -> bool {
        match (record.offline_at, self.retained_from) {
            (Some(end), Some(from)) => end >= from,
            _ => true,
        }
    }

    /// The end of the record in this view; `None` while it is online.
    ///
    /// A stored end wins; else the earliest of an expired lease and the cutoffs that cover the record.
    pub fn ended_at(&self, record: &Record) -> Option<Timestamp> {
        let lapsed = record.lease_until.filter(|until| *until <= self.now);
        let of_tenant = self.cutoff.iter().filter(|cutoff| cutoff.covers(record)).map(|cutoff| cutoff.at);
        let scoped = self.scoped.iter().filter(|cutoff| cutoff.covers(record)).map(|cutoff| cutoff.at);
        // An order may be dated before what it covers, where the clock was set back.
        let ordered = of_tenant.chain(scoped).map(|at| at.max(record.online_at));
        record.offline_at.or_else(|| lapsed.into_iter().chain(ordered).min())
    }

    /// Whether the record is online in this view.
    pub fn is_online(&self, record: &Record) -> bool {
        self.ended_at(record).is_none()
    }

    /// SQL for [`View::ended_at`] over rows whose `offline_at` is NULL.
    ///
    /// It reads `lease_until` and, under a cutoff, `online_at`, `user`, `under` and `source`: the columns of `record_open`.
    pub(super) fn open_end(&self, binder: &mut Binder) -> String {
        let end = self.end_by_tenant(binder);
        if self.scoped.is_empty() {
            return end;
        }
        let mut ends = format!("coalesce({end}, {NEVER})");
        for ScopedCutoff { serial, at, users } in &self.scoped {
            // Numbers of ours stand in the text: a list has 100 parameters for its filters and for the sets of all orders.
            let (serial, at) = (serial.number(), at.millis());
            let is_named = if self.has_rows_of_sets {
                named_in_rows(serial)
            } else {
                format!("user IN {}", binder.numbers(users.iter().copied()))
            };
            ends.push_str(&format!(
                ", CASE WHEN under < {serial} AND (source = 0 OR online_at <= {at}) AND {is_named} \
                 THEN max({at}, online_at) ELSE {NEVER} END"
            ));
        }
        format!("nullif(min({ends}), {NEVER})")
    }

    fn end_by_tenant(&self, binder: &mut Binder) -> String {
        let now = binder.wide(self.now.millis());
        let lapsed = format!("lease_until <= {now}");
        let Some(cutoff) = &self.cutoff else {
            return format!("CASE WHEN {lapsed} THEN lease_until END");
        };
        let at = binder.wide(cutoff.at.millis());
        let serial = binder.wide(cutoff.serial.number());
        let mut covered = if cutoff.serial == Serial::NONE {
            format!("under < {serial} AND online_at <= {at}")
        } else {
            format!("under < {serial} AND (source = 0 OR online_at <= {at})")
        };
        if !cutoff.exempt.is_empty() {
            let exempt = binder.numbers(cutoff.exempt.iter().copied());
            covered = format!("{covered} AND user NOT IN {exempt}");
        }
        format!(
            "CASE WHEN {covered} THEN CASE WHEN {lapsed} THEN min(lease_until, max({at}, online_at)) \
             ELSE max({at}, online_at) END WHEN {lapsed} THEN lease_until END"
        )
    }

    /// SQL for [`View::ended_at`] over any row.
    pub(super) fn end(&self, binder: &mut Binder) -> String {
        format!("coalesce(offline_at, {})", self.open_end(binder))
    }
}

/// SQL for whether the rows of an order's set name the user of a record: one look into their index for each record that began before.
fn named_in_rows(serial: i64) -> String {
    format!(
        "EXISTS (SELECT 1 FROM scoped_user AS named WHERE named.serial = {serial} AND named.user = CAST(record.user AS TEXT))"
    )
}

/// The instant before which ended records are due for deletion.
pub fn retained_from(now: Timestamp, retention_days: u32) -> Timestamp {
    now - DAY * retention_days
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::support::sample;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// An order of this serial and date.
    fn order(serial: i64, millis: i64, exempt: &[i64]) -> Cutoff {
        let serial = Serial::from_number(serial);
        Cutoff { serial, at: at(millis), exempt: exempt.to_vec(), lifted: false, deny: None }
    }

    fn under(cutoff: Cutoff) -> View {
        View { cutoff: Some(cutoff), ..View::at(at(1_000)) }
    }

    #[test]
    fn a_cutoff_ends_what_began_under_an_earlier_one_whatever_the_dates_say() {
        let record = Record { online_at: at(100), under: Serial::from_number(3), ..sample(1) };
        assert_eq!(under(order(3, 500, &[])).ended_at(&record), None);
        assert_eq!(under(order(4, 500, &[])).ended_at(&record), Some(at(500)));
        assert_eq!(under(order(4, 99, &[])).ended_at(&record), Some(at(100)), "no end before its beginning");
        assert_eq!(under(order(4, 500, &[record.user])).ended_at(&record), None);
        assert_eq!(View::at(at(1_000)).ended_at(&record), None);
    }

    #[test]
    fn without_a_serial_the_dates_decide() {
        let old = Record { online_at: at(100), under: Serial::UNKNOWN, ..sample(1) };
        let new = Record { under: Serial::NONE, ..old.clone() };
        let import = Record { source: Source::Import, ..old.clone() };
        for (cutoff, ended) in [
            (order(0, 99, &[]), [None, None, None]),
            (order(0, 100, &[]), [Some(at(100)), None, Some(at(100))]),
            (order(1, 99, &[]), [Some(at(100)), Some(at(100)), None]),
            (order(1, 100, &[]), [Some(at(100)); 3]),
        ] {
            let ends = [&old, &new, &import].map(|record| under(cutoff.clone()).ended_at(record));
            assert_eq!(ends, ended, "{cutoff:?}");
        }
    }

    #[test]
    fn the_date_of_an_order_goes_back_only_behind_one_that_was_lifted() {
        let first = Cutoff::next(None, Serial::NONE, vec![], at(500));
        let second = Cutoff::next(Some(&first), first.serial, vec![], at(100));
        assert!(second.serial > first.serial);
        assert_eq!(second.at, at(500));
        let lifted = Cutoff { lifted: true, ..second };
        let third = Cutoff::next(Some(&lifted), Serial::from_number(9), vec![7], at(100));
        assert_eq!(third, order(10, 100, &[7]));
    }

    #[test]
    fn a_cutoff_of_another_server_stands_back_behind_newer_ones_and_replaces_no_order_of_this_server() {
        let adopted = |own: Option<&Cutoff>, moved: &Cutoff| Cutoff::adopt(own, moved.clone());
        let moved = order(0, 500, &[7]);
        assert_eq!(adopted(None, &moved), Ok(Some(moved.clone())));
        assert_eq!(adopted(Some(&moved), &moved), Ok(None), "again");
        assert_eq!(adopted(Some(&order(3, 501, &[])), &moved), Ok(None));
        assert_eq!(adopted(Some(&order(3, 499, &[])), &moved), Err(OwnOrder));
        assert_eq!(adopted(Some(&order(0, 499, &[])), &moved), Ok(Some(moved.clone())));
        let lifted = Cutoff { lifted: true, ..moved.clone() };
        assert_eq!(adopted(Some(&moved), &lifted), Ok(Some(lifted.clone())));
        assert_eq!(adopted(Some(&lifted), &moved), Ok(Some(lifted)), "an unlock here stays");
        let token = |under| Began { under: Serial::from_number(under), at: at(100) };
        assert!(!moved.follows(token(0)) && moved.follows(token(-1)));
    }

    #[test]
    fn a_lapsed_lease_and_a_cutoff_end_a_record_at_the_earlier_of_the_two() {
        let record = Record { online_at: at(100), lease_until: Some(at(400)), ..sample(1) };
        assert_eq!(under(order(1, 300, &[])).ended_at(&record), Some(at(300)));
        assert_eq!(under(order(1, 500, &[])).ended_at(&record), Some(at(400)));
        assert_eq!(View::at(at(399)).ended_at(&record), None);
        assert_eq!(View::at(at(400)).ended_at(&record), Some(at(400)));
    }

    #[test]
    fn each_place_has_its_users_of_a_set() {
        let scoped =
            [3, 4].map(|serial| ScopedCutoff::next(Serial::from_number(serial - 1), [5, 1, 2], at(500)));
        let view = View { scoped: scoped.into(), retained_from: Some(at(1)), ..under(order(1, 300, &[7])) };
        let parts = view.split(3, |user| if user == 2 { 2 } else { 0 });
        let sets = |view: &View| view.scoped.iter().map(|one| one.users.to_vec()).collect::<Vec<_>>();
        assert_eq!(
            parts.iter().map(sets).collect::<Vec<_>>(),
            [vec![vec![1, 5]; 2], vec![], vec![vec![2]; 2]]
        );
        assert!(parts.iter().all(|part| View { scoped: view.scoped.clone(), ..part.clone() } == view));
        assert_eq!((sets(&view.of_user(2)), sets(&view.of_user(3))), (vec![vec![2]; 2], vec![]));
    }

    #[test]
    fn an_end_that_was_written_down_is_kept() {
        let record = Record { offline_at: Some(at(700)), lease_until: Some(at(400)), ..sample(1) };
        assert_eq!(under(order(1, 500, &[])).ended_at(&record), Some(at(700)));
    }
}
