//! Tenant orders that meet other commands.

use super::*;

#[tokio::test]
async fn an_order_to_a_tenant_reaches_a_user_who_is_about_to_be_connected() {
    let fixture = Fixture::new().await;
    let (outbox, opening) = (Outbox::default(), fixture.opening().await);
    let pending = PendingSocket { outbox: outbox.clone(), on_abandoned: Box::new(|| panic!("it came")) };
    let blocked = fixture.block_writer().await;
    let mut login = Box::pin(fixture.users.open(&fixture.user, opening, pending));
    blocked.until_it_commits(login.as_mut()).await;
    fixture.put_in_force(TenantId(0));
    let delivery = fixture.users.deliver(TenantId(0), String::new(), Part::All);
    let ((), login, ()) = tokio::join!(blocked.end(), login, delivery);
    assert_eq!(fixture.open_records(), 0);
    assert_eq!(login.unwrap(), Ok(()));
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
}

#[tokio::test]
async fn an_order_that_exempts_a_user_waits_for_the_rows_of_the_one_before() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let (tenant, under_way) = (TenantId(0), TaskTracker::new());
    let cutoff = |exempt| {
        fixture.users.cut_off(tenant, exempt, String::new(), entry_of_order(tenant), under_way.token())
    };
    cutoff(Vec::new()).await.unwrap();
    cutoff(vec![7]).await.unwrap();
    assert_eq!((fixture.open_records(), outbox.requested_close()), (0, Some(Close::Kicked)));
}

#[tokio::test]
async fn an_order_that_would_have_to_wait_too_long_for_the_one_before_is_refused() {
    let fixture = Fixture::new().await;
    let tenant = TenantId(0);
    let cutoff = |exempt| {
        fixture.users.cut_off(
            tenant,
            exempt,
            String::new(),
            entry_of_order(tenant),
            TaskTracker::new().token(),
        )
    };
    cutoff(Vec::new()).await.unwrap();
    let _unwritten = fixture.users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
    cutoff(Vec::new()).await.expect("it exempts nobody");
    assert!(matches!(cutoff(vec![7]).await, Err(CommandError::Unwritten)));
    let other = fixture.users.cut_off(
        TenantId(1),
        vec![7],
        String::new(),
        entry_of_order(TenantId(1)),
        TaskTracker::new().token(),
    );
    other.await.expect("what another tenant's orders wait for is its own");
}

#[tokio::test]
async fn so_many_orders_to_sets_of_users_are_under_delivery_and_one_more_changes_nothing() {
    let fixture = Fixture::new().await;
    let (tenant, under_way) = (TenantId(0), TaskTracker::new());
    let order = |tenant, user| {
        fixture.users.cut_off_users(
            tenant,
            vec![7, user],
            String::new(),
            entry_of_order(tenant),
            under_way.token(),
        )
    };
    let lock = fixture.users.entry(&fixture.user).lock().await;
    for _ in 0..UNDELIVERED {
        order(tenant, 8).await.unwrap();
    }
    let newest = fixture.users.shared.cutoffs.newest();
    assert!(matches!(order(tenant, 9).await, Err(CommandError::TooManyOrders)));
    let in_force = fixture.users.orders_of(tenant).await.unwrap().1;
    assert!(in_force.len() == UNDELIVERED && in_force.iter().all(|order| *order.users == [7, 8]));
    let shown = fixture.users.undelivered(tenant).await.unwrap();
    assert!(shown.iter().all(|order| (order.users, order.reached) == (Some(2), 0)), "{shown:?}");
    assert_eq!(fixture.users.shared.cutoffs.newest(), newest);
    order(TenantId(1), 9).await.unwrap();
    drop(lock);
    under_way.close();
    under_way.wait().await;
    assert!(fixture.users.undelivered(tenant).await.unwrap().is_empty());
    order(tenant, 9).await.unwrap();
}

#[tokio::test]
async fn an_order_to_a_tenant_is_repeated_to_users_whom_it_could_not_reach() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    fixture.watched().await;
    fixture.put_in_force(TenantId(0));
    fixture.fail("no_ties", "INSERT ON ties", "raise(ABORT, 'no')");
    let mut delivery = Box::pin(fixture.users.deliver(TenantId(0), String::new(), Part::All));
    // There is nothing to await: it must not give up.
    assert!(timeout(Duration::from_millis(300), delivery.as_mut()).await.is_err());
    assert_eq!(outbox.requested_close(), None);
    fixture.blocker.execute_batch("DROP TRIGGER no_ties").unwrap();
    delivery.await;
    assert_eq!(fixture.open_records(), 0);
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
}

#[tokio::test]
async fn a_user_who_was_not_reached_yet_does_not_wait_for_the_rows_of_others() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let fixture = Fixture { user: UserId::from(8), ..fixture };
    let neighbour = fixture.connected().await;
    fixture.watched().await;
    fixture.put_in_force(TenantId(0));
    fixture.fail("no_rows", "UPDATE ON record WHEN NEW.user = 7", "raise(ABORT, 'no')");
    fixture.fail("no_ties", "INSERT ON ties", "raise(ABORT, 'no')");
    let mut delivery = Box::pin(fixture.users.deliver(TenantId(0), String::new(), Part::All));
    // There is nothing to await: it is tried again each second.
    let mut goes_on = async || assert!(timeout(Duration::from_millis(50), delivery.as_mut()).await.is_err());
    while outbox.requested_close().is_none() {
        goes_on().await;
    }
    assert_eq!(neighbour.requested_close(), None);
    fixture.blocker.execute_batch("DROP TRIGGER no_ties").unwrap();
    while neighbour.requested_close().is_none() {
        goes_on().await;
    }
    fixture.blocker.execute_batch("DROP TRIGGER no_rows").unwrap();
    delivery.await;
    assert_eq!(fixture.open_records(), 0);
}
