//! Orders to selections that a death cuts short, and whose users cannot be reached.

use rollcall_core::{
    audit::{Entry, EntryId, Operation, Part, Progress as Written},
    order::{self, Answer, Ask, NewOrder, Order, Progress, Scope, State},
    token::TokenHash,
};

use super::*;

fn order_to(users: impl IntoIterator<Item = i64>) -> NewOrder {
    let id = EntryId::draw(now(), rand::random());
    let by = UserId::from(1);
    let (operation, details) = (Operation::ForceOff, "{}".to_owned());
    let tenant = TenantId::default();
    let entry = Entry { id, tenant: Some(tenant), by, operation, details };
    let (reason, deny, notice) = (None, None, "n".to_owned());
    let order = Order { tenant, scope: Scope::User, reason, deny, notice, entry };
    let users = users.into_iter().map(|user| (user, Vec::new())).collect();
    NewOrder { body: TokenHash::of("body"), receipt: None, users, connections: 0, order }
}

impl Fixture {
    async fn shown(&self, id: EntryId) -> Progress {
        let token = TaskTracker::new().token();
        match self.users.force_off(TenantId::default(), Ask::Show(id), token).await.unwrap() {
            Answer::Order(order, _) => *order,
            other => panic!("{other:?}"),
        }
    }

    async fn until_cut_off(&self, id: EntryId) -> Progress {
        let cut_off = async {
            loop {
                let shown = self.shown(id).await;
                if shown.state == State::CutOff && shown.reached == shown.users {
                    return shown;
                }
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), cut_off).await.unwrap()
    }

    async fn status(&self) -> usize {
        self.users.run(&self.user, Status).await.unwrap().len()
    }
}

#[tokio::test]
async fn an_order_that_was_put_down_goes_on_at_the_next_start() {
    for others in [0, 1_500] {
        let fixture = Fixture::new().await;
        let _outbox = fixture.connected().await;
        let mut new = order_to((0..=others).map(|user| user + 7));
        new.order.deny = Some(3_600);
        let id = new.order.entry.id;
        // The process dies before it carries anything out.
        fixture.users.shared.store.commit(order::begin(&new, now())).await.unwrap();
        assert_eq!((fixture.shown(id).await.state, fixture.status().await), (State::Ordered, 1));
        fixture.users.read_cutoffs().await.unwrap();
        fixture.users.resume_orders().await;
        let over = fixture.until_cut_off(id).await;
        assert_eq!((over.users, over.serial.is_some()), (u64::try_from(others).unwrap() + 1, others > 0));
        assert_eq!(fixture.status().await, 0);
        let denied = fixture.users.run(&fixture.user, IssueToken { platform: Platform::Web }).await.unwrap();
        assert_eq!(denied.unwrap_err(), id.at() + Duration::from_secs(3_600));
        let entries = "SELECT count(*), min(id) FROM audit WHERE operation = 'forceOff'";
        let (count, entry): (i64, String) =
            fixture.blocker.query_row(entries, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!((count, entry), (1, id.to_string()));
        let left = "SELECT count(*) FROM selected";
        assert_eq!(fixture.blocker.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
}

#[tokio::test]
async fn an_order_that_died_before_it_was_noted_takes_no_later_login() {
    let fixture = Fixture::new().await;
    let _outbox = fixture.connected().await;
    let new = order_to([7, 8]);
    let id = new.order.entry.id;
    fixture.users.shared.store.commit(order::begin(&new, now())).await.unwrap();
    let commands = new.users.iter().map(|one| new.order.command(one)).collect();
    assert!(fixture.users.execute_each(commands).await.iter().all(Result::is_ok));
    assert_eq!((fixture.status().await, fixture.shown(id).await.state), (0, State::Ordered));
    let _since = fixture.connected().await;
    fixture.users.shared.store.commit(vec![order::abandon_all()]).await.unwrap();
    fixture.users.resume_orders().await;
    fixture.until_cut_off(id).await;
    assert_eq!(fixture.status().await, 1, "nobody ordered that");
}

/// Its first caller had no answer, and the process that had put it down is gone.
#[tokio::test]
async fn a_repetition_carries_on_an_order_that_nobody_carries_on() {
    let fixture = Fixture::new().await;
    let _outbox = fixture.connected().await;
    let ask = async |ask| {
        let token = TaskTracker::new().token();
        fixture.users.force_off(TenantId::default(), ask, token).await.unwrap()
    };
    let run = order_to([7]);
    assert_eq!(ask(Ask::DryRun(Box::new(run.clone()))).await, Answer::Kept);
    let give = || NewOrder { receipt: Some(run.order.entry.id), ..order_to([]) };
    let new = give();
    let id = new.order.entry.id;
    fixture.users.shared.store.commit(order::begin(&new, now())).await.unwrap();
    fixture.users.shared.store.commit(vec![order::abandon_all()]).await.unwrap();
    match ask(Ask::Give(Box::new(give()))).await {
        Answer::Order(order, _) => assert_eq!(order.order.entry.id, id),
        other => panic!("{other:?}"),
    }
    fixture.until_cut_off(id).await;
    assert_eq!(fixture.status().await, 0);
}

/// Two have read it as open.
#[tokio::test]
async fn an_order_becomes_one_cutoff_whoever_carries_it_out() {
    let fixture = Fixture::new().await;
    let new = order_to(7..1_507);
    let (id, tenant) = (new.order.entry.id, new.order.tenant);
    fixture.users.shared.store.commit(order::begin(&new, now())).await.unwrap();
    let part = Part::whole(new.order.entry.clone(), tenant, None, Written::InForce);
    let carry_out = async || {
        let named = new.users.iter().map(|(user, _)| *user).collect();
        fixture.users.put_scoped_in_force(tenant, named, String::new(), None, &part, Some(id)).await.unwrap()
    };
    let first = carry_out().await.unwrap();
    assert_eq!(carry_out().await, None);
    let shown = fixture.shown(id).await;
    assert_eq!((shown.state, shown.serial), (State::CutOff, Some(first.serial)));
}

#[tokio::test]
async fn an_order_whose_caller_leaves_is_carried_out() {
    let fixture = Fixture::new().await;
    let _outbox = fixture.connected().await;
    let new = order_to([7]);
    let id = new.order.entry.id;
    let token = TaskTracker::new().token();
    let mut call = Box::pin(fixture.users.force_off(TenantId::default(), Ask::Give(Box::new(new)), token));
    assert!(poll!(&mut call).is_pending());
    drop(call);
    let known = async {
        while fixture.users.shared.store.query(vec![order::get(id)]).await.unwrap()[0].is_empty() {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), known).await.unwrap();
    fixture.until_cut_off(id).await;
    assert_eq!(fixture.status().await, 0);
}
