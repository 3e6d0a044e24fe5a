//! Orders that deny their users.

use rollcall_core::{
    audit::{Entry, EntryId, Operation},
    id::{TenantId, UserId},
    order::{Answer, Ask, NewOrder, Order, Scope, State},
    token::TokenHash,
    user::request::{IssueToken, Unlock},
};
use tokio_util::task::TaskTracker;

use super::{PLATFORM, Servers, Users, now};

/// An order to so many users that denies them for an hour.
fn denial_of(users: i64) -> NewOrder {
    let (id, tenant) = (EntryId::draw(now(), rand::random()), TenantId::default());
    let (operation, details) = (Operation::ForceOff, "{}".to_owned());
    let entry = Entry { id, tenant: Some(tenant), by: UserId::from(1), operation, details };
    let (reason, deny, notice) = (None, Some(3_600), String::new());
    let order = Order { tenant, scope: Scope::User, reason, deny, notice, entry };
    let users = (7..7 + users).map(|user| (user, Vec::new())).collect();
    NewOrder { body: TokenHash::of("body"), receipt: None, users, connections: 0, order }
}

/// So it is for users who are told one by one, and for those of a cutoff whose delivery has not come to them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deny_window_is_in_force_at_every_server_when_its_order_is_answered() {
    let servers = Servers::new(3).await;
    let user = UserId::from(7);
    let [giver, _, other] = servers.nodes.as_slice() else { panic!("three") };
    for (users, is_held) in [(1, false), (1_500, true)] {
        let under_way = TaskTracker::new();
        // The delivery waits for this user.
        let held = giver.entry(&user);
        let lock = if is_held { Some(held.lock().await) } else { None };
        let new = denial_of(users);
        let until = new.order.window().unwrap().until;
        let ask = Ask::Give(Box::new(new));
        let Answer::Order(order, _) = giver.force_off(TenantId(0), ask, under_way.token()).await.unwrap()
        else {
            panic!("it is carried out")
        };
        assert_eq!((order.state, order.serial.is_some()), (State::CutOff, is_held));
        assert_eq!(
            servers.count("\"user\" WHERE id = '7' AND denied LIKE '%until%'").await,
            i64::from(!is_held)
        );
        let refused = async |users: &Users| {
            let issued = users.run(&user, IssueToken { platform: PLATFORM }).await.unwrap();
            assert_eq!(issued.unwrap_err(), until);
        };
        for users in servers.nodes.iter().skip(usize::from(is_held)) {
            refused(users).await;
        }
        drop((lock, held));
        under_way.close();
        under_way.wait().await;
        assert_eq!(servers.count("\"user\" WHERE id = '7' AND denied LIKE '%until%'").await, 1);
        for users in &servers.nodes {
            refused(users).await;
        }
        assert!(other.run(&user, Unlock { within: None }).await.unwrap());
        for users in &servers.nodes {
            users.run(&user, IssueToken { platform: PLATFORM }).await.unwrap().unwrap();
        }
    }
}
