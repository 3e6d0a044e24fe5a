//! Orders to selections that two processes write at the same time.

use futures_util::future::join_all;
use rollcall_conformance::postgres::Postgres;
use rollcall_core::{
    audit::{Entry, EntryId, Operation},
    id::{TenantId, UserId},
    order::{self, NewOrder, Opened, Order, Progress, Scope},
    time::Timestamp,
    token::TokenHash,
};
use rollcall_origin::store::Store;

use crate::engines::{open, settings};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const USERS: i64 = 9;
/// As many as there are writers.
const AT_ONCE: u128 = 3;
const ROUNDS: u128 = 20;

fn order_to(id: u128, receipt: Option<EntryId>) -> NewOrder {
    let id = EntryId::draw(NOW, id);
    let tenant = TenantId(1);
    let (operation, details) = (Operation::ForceOff, "{}".to_owned());
    let entry = Entry { id, tenant: Some(tenant), by: UserId::from(1), operation, details };
    let (reason, deny, notice) = (None, receipt.map(|_| 60), "n".to_owned());
    let order = Order { tenant, scope: Scope::User, reason, deny, notice, entry };
    let users = if receipt.is_some() { 0 } else { USERS };
    let users = (0..users).map(|user| (user, Vec::new())).collect();
    NewOrder { body: TokenHash::of("body"), receipt, users, connections: 0, order }
}

async fn state(store: &Store, id: EntryId) -> Progress {
    let answers = store.query(vec![order::get(id)]).await.unwrap();
    order::read_order(&answers[0]).unwrap().unwrap()
}

#[tokio::test]
async fn of_those_who_carry_out_an_order_at_the_same_time_one_does_and_its_users_count_once() {
    let engine = Postgres::shared().unwrap();
    let store = open(&settings(&engine)).await.unwrap();
    for round in 0..ROUNDS {
        let run = order_to(round * 100, None);
        let receipt = run.order.entry.id;
        store.commit(order::keep_dry_run(&run, NOW)).await.unwrap();
        let given = join_all((1..=AT_ONCE).map(async |other| {
            let new = order_to(round * 100 + other, Some(receipt));
            let answers = store.commit(order::begin(&new, NOW)).await.unwrap();
            (new.order.entry.id, order::opened(new.order.entry.id, &answers))
        }))
        .await;
        let new: Vec<EntryId> =
            given.iter().filter(|(_, opened)| *opened == Opened::New).map(|(id, _)| *id).collect();
        let [id] = new[..] else { panic!("{given:?}") };
        assert_eq!(state(&store, id).await.order.deny, Some(60));
        assert!(given.iter().all(|(own, opened)| *own == id || *opened == Opened::Earlier(id)), "{given:?}");

        store.commit(vec![order::put_off(id, NOW)]).await.unwrap();
        let due = state(&store, id).await;
        let taken_up =
            join_all((0..AT_ONCE).map(|_| store.change(order::take_up(&due, NOW)))).await.into_iter();
        assert_eq!(taken_up.map(Result::unwrap).sum::<u64>(), 1);

        let answers = store.query(vec![order::next_part(due.selection, 0)]).await.unwrap();
        let (part, taken) = order::read_part(&answers[0]).unwrap().unwrap();
        for (taken, left) in [(&taken[..], &taken[..2]), (&taken[..2], &[])] {
            let step = || Vec::from(order::forget_part(&due, part, taken, left, NOW));
            join_all((0..AT_ONCE).map(|_| store.commit(step()))).await.into_iter().for_each(|done| {
                done.unwrap();
            });
            let reached = u64::try_from(USERS).unwrap() - u64::try_from(left.len()).unwrap();
            let now = state(&store, id).await;
            assert_eq!((now.reached, now.state == order::State::CutOff), (reached, left.is_empty()));
        }
    }
}
