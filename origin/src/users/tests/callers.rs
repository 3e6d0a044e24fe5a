//! Commands whose caller leaves.

use super::*;

#[tokio::test]
async fn a_forced_logout_whose_caller_left_is_carried_out_to_its_end() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let blocked = fixture.block_writer().await;
    let mut order = Box::pin(fixture.users.run(&fixture.user, order()));
    blocked.until_it_commits(order.as_mut()).await;
    drop(order);
    blocked.end().await;
    fixture.unlocked().await;
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
    assert!(!fixture.is_online().await);
}

#[tokio::test]
async fn a_login_whose_client_left_does_not_stay() {
    let fixture = Fixture::new().await;
    let (opening, (tell, told)) = (fixture.opening().await, oneshot::channel());
    let pending =
        PendingSocket { outbox: Outbox::default(), on_abandoned: Box::new(move || tell.send(()).unwrap()) };
    let blocked = fixture.block_writer().await;
    let mut login = Box::pin(fixture.users.open(&fixture.user, opening, pending));
    blocked.until_it_commits(login.as_mut()).await;
    drop(login);
    blocked.end().await;
    told.await.expect("the abandoned login is reported");
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_lock_is_free_has_changed_nothing() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let lock = fixture.users.entry(&fixture.user).lock().await;
    let mut order = Box::pin(fixture.users.run(&fixture.user, order()));
    assert!(poll!(order.as_mut()).is_pending());
    drop(order);
    drop(lock);
    fixture.unlocked().await;
    assert_eq!(outbox.requested_close(), None);
    assert!(fixture.is_online().await);
}

#[tokio::test]
async fn an_order_to_a_tenant_whose_caller_left_reaches_its_sockets() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let under_way = TaskTracker::new();
    let (tenant, session) = (TenantId(0), under_way.token());
    let blocked = fixture.block_writer().await;
    let mut order =
        Box::pin(fixture.users.cut_off(tenant, Vec::new(), String::new(), entry_of_order(tenant), session));
    blocked.until_it_commits(order.as_mut()).await;
    drop(order);
    blocked.end().await;
    under_way.close();
    under_way.wait().await;
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
    assert!(!fixture.is_online().await);
}
