//! Rows that an order or an import writes.

use super::*;

/// The known-wrong way was to refuse every later order that exempts a user, until a restart.
#[tokio::test]
async fn rows_that_cannot_be_written_hold_up_no_others_and_no_order_that_exempts_other_users() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let fixture = Fixture { user: UserId::from(8), ..fixture };
    let neighbour = fixture.connected().await;
    // An integer overflow, which no repetition mends.
    fixture.fail("no_rows", "UPDATE ON record WHEN NEW.user = 7", "abs(-9223372036854775807 - 1)");
    let tenant = TenantId(0);
    let cut_off = async |exempt| {
        let under_way = TaskTracker::new();
        let done = fixture
            .users
            .cut_off(tenant, exempt, String::new(), entry_of_order(tenant), under_way.token())
            .await;
        under_way.close();
        under_way.wait().await;
        done
    };
    cut_off(Vec::new()).await.unwrap();
    let kicked = Some(Close::Kicked);
    assert_eq!((outbox.requested_close(), neighbour.requested_close()), (kicked, kicked));
    let open = "SELECT group_concat(user) FROM record WHERE offline_at IS NULL";
    let open: String = fixture.blocker.query_row(open, [], |row| row.get(0)).unwrap();
    assert_eq!(open, "7");
    cut_off(vec![8]).await.unwrap();
    let serial = || fixture.users.cutoff_of(tenant).unwrap().serial;
    let before = serial();
    let refused = cut_off(vec![7]).await;
    assert!(matches!(refused, Err(CommandError::Store(_))), "only the cutoff hides the row: {refused:?}");
    assert_eq!((serial(), fixture.open_records()), (before, 1));
    fixture.blocker.execute_batch("DROP TRIGGER no_rows").unwrap();
    cut_off(vec![7]).await.unwrap();
    assert_eq!(fixture.open_records(), 0);
}

#[tokio::test]
async fn rows_that_could_not_be_written_are_written_with_the_next_order() {
    let fixture = Fixture::new().await;
    fixture.connected().await;
    fixture.fail("no_rows", "UPDATE ON record", "abs(-9223372036854775807 - 1)");
    fixture.put_in_force(TenantId(0));
    fixture.users.deliver(TenantId(0), String::new(), Part::All).await;
    assert_eq!(fixture.open_records(), 1);
    fixture.blocker.execute_batch("DROP TRIGGER no_rows").unwrap();
    fixture.users.deliver(TenantId(0), String::new(), Part::All).await;
    assert_eq!(fixture.open_records(), 0);
}

/// A record that another system calls online, until the tenant's order ends it.
#[tokio::test]
async fn imports_that_an_order_could_not_end_are_ended_before_an_order_that_exempts_their_user() {
    let fixture = Fixture::new().await;
    let import = "INSERT INTO record (id, tenant, user, full_name, user_agent, device_id, remote_address, online_at, source, \
                  generation) VALUES (1, 0, 8, '', '', '', '', ?1, 1, 1), (2, 0, 9, '', '', '', '', ?1, 1, 1)";
    fixture.blocker.execute(import, [now().millis()]).unwrap();
    fixture.fail("no_imports", "UPDATE ON record", "abs(-9223372036854775807 - 1)");
    let tenant = TenantId(0);
    fixture.put_in_force(tenant);
    fixture.users.deliver(tenant, String::new(), Part::All).await;
    assert_eq!(fixture.open_records(), 2);
    let cut_off = |exempt| {
        fixture.users.cut_off(
            tenant,
            exempt,
            String::new(),
            entry_of_order(tenant),
            TaskTracker::new().token(),
        )
    };
    assert!(matches!(cut_off(vec![8]).await, Err(CommandError::Store(_))));
    fixture.blocker.execute_batch("DROP TRIGGER no_imports").unwrap();
    cut_off(vec![8]).await.unwrap();
    let ended: i64 = fixture
        .blocker
        .query_row("SELECT count(*) FROM record WHERE user = 8 AND offline_at IS NOT NULL", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(ended, 1);
}

/// The known-wrong way was one commit of thousands of records, behind which every login waited.
#[tokio::test]
async fn another_users_commit_comes_between_the_pieces_of_an_import() {
    let fixture = Fixture::new().await;
    let record = |number: i64| Record {
        id: RecordId::from_number(number).unwrap(),
        tenant: TenantId(1),
        user: number,
        full_name: String::new(),
        avatar: None,
        user_agent: String::new(),
        device_id: String::new(),
        remote_address: String::new(),
        online_at: now(),
        offline_at: None,
        lease_until: None,
        source: Source::Import,
        member_of: None,
        under: Serial::UNKNOWN,
        generation: 1,
    };
    let backend = Origin::new(fixture.users.clone()).unwrap();
    let blocked = fixture.block_writer().await;
    let mut import = Box::pin(backend.import((1..=1_000).map(record).collect()));
    blocked.until_it_commits(import.as_mut()).await;
    let mut login = Box::pin(fixture.token());
    while fixture.users.store().queued() == 1 {
        assert!(poll!(login.as_mut()).is_pending());
        yield_now().await;
    }
    blocked.end().await;
    login.await;
    assert!(poll!(import.as_mut()).is_pending(), "the login waited for the whole import");
    assert_eq!(fixture.open_records(), 500);
    assert_eq!(import.await.unwrap().len(), 1_000);
}
