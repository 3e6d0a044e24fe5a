//! What is answered from memory, and what memory keeps.

use super::*;

/// The known-wrong way was to show a lost connection until its end was durable.
#[tokio::test]
async fn a_lost_connection_is_in_no_status_while_its_end_waits_for_the_store() {
    let fixture = Fixture::new().await;
    fixture.connected().await;
    let blocked = fixture.block_writer().await;
    let mut end = Box::pin(fixture.users.end(&fixture.user, CONNECTION));
    blocked.until_it_commits(end.as_mut()).await;
    assert!(!fixture.is_online().await);
    fixture.put_in_force(TenantId(1));
    assert!(!fixture.is_online().await, "the store is asked, and knows it still");
    assert_eq!(fixture.open_records(), 1);
    blocked.end().await;
    end.await;
    assert_eq!(fixture.open_records(), 0);
}

#[tokio::test]
async fn a_ping_waits_for_no_change_of_its_user() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let user = fixture.users.entry(&fixture.user);
    let changing = user.lock().await;
    let ping = ClientMessage::Ping("pong".to_owned());
    let mut answered = pin!(fixture.users.receive(&fixture.user, CONNECTION, ping));
    assert!(poll!(answered.as_mut()).is_ready());
    drop(changing);
    let SocketAction::Send(answer) = outbox.next().await else { panic!("another action") };
    assert_eq!(answer, Payload::Text("pong".to_owned()));
}

/// The known-wrong way was to keep the user and its alarm until the token's end: each console that came and went cost
/// memory for as long.
#[tokio::test]
async fn the_wait_for_a_tokens_end_is_gone_with_the_last_console_of_that_token() {
    let fixture = Fixture::new().await;
    let (first, second) = (CONNECTION, ConnId::from_bytes([8; 16]));
    let tomorrow = now() + Duration::from_secs(86_400);
    fixture.console(first, Some(tomorrow)).await;
    fixture.console(second, Some(tomorrow)).await;
    let alarm = || fixture.users.entry(&fixture.user).live.lock().alarm.as_ref().map(|alarm| alarm.at);
    let is_idle = || fixture.users.entry(&fixture.user).live.lock().is_idle();
    fixture.users.end(&fixture.user, first).await;
    assert_eq!(alarm(), Some(tomorrow), "the other console is open");
    fixture.users.end(&fixture.user, second).await;
    assert!(alarm() < Some(tomorrow));
    // The tick is a task of its own.
    while !is_idle() {
        yield_now().await;
    }
}

/// The known-wrong way was to know of an opening only while its user was in memory.
#[tokio::test]
async fn a_user_who_comes_back_to_memory_opens_nothing_before_what_it_opened() {
    let fixture = Fixture::new().await;
    fixture.connected().await;
    fixture.users.end(&fixture.user, CONNECTION).await;
    let ahead = "UPDATE record SET online_at = online_at + 3600000, offline_at = offline_at + 3600000";
    assert_eq!(
        fixture.blocker.execute(ahead, []).unwrap(),
        1,
        "as if the clock had been set back by an hour since"
    );
    let settings = fixture.users.settings().clone();
    let fixture = Fixture { users: open(settings, fixture.home.path()).await.unwrap(), ..fixture };
    let dates = || -> Vec<i64> {
        let mut dates = fixture.blocker.prepare("SELECT online_at FROM record ORDER BY id").unwrap();
        dates.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    fixture.users.read_newest_opening().await.unwrap();
    fixture.connected().await;
    let [first, second] = dates()[..] else { panic!("{:?}", dates()) };
    assert_eq!(second, first + 1);
    let other = Fixture { user: UserId::from(8), ..fixture };
    other.connected().await;
    assert!(
        other.users.entry(&other.user).live.lock().user.last_opened() <= now(),
        "it never opened anything"
    );
}

/// The known-wrong way was to keep every name that an order ever made up.
#[tokio::test]
async fn orders_about_users_who_were_never_seen_are_few_and_the_oldest_go_first() {
    let fixture = Fixture::new().await;
    let everything = || ForceOff::Everything { within: None, notice: None, at: None };
    fixture.token().await;
    fixture.users.run(&fixture.user, everything()).await.unwrap();
    assert_eq!(fixture.users.unseen(), 0, "a token was issued to this one");
    for user in 100..110 {
        for _ in 0..2 {
            fixture.users.run(&UserId::from(user), everything()).await.unwrap();
        }
    }
    assert_eq!(fixture.users.unseen(), 10);
    fixture.users.run(&UserId::from(100), IssueToken { platform: PLATFORM }).await.unwrap().unwrap();
    assert_eq!(fixture.users.unseen(), 9, "it was seen");
    let bearer = Bearer { tenant: TenantId(0), issued_at: Some(now()), personal: false };
    fixture.users.run(&UserId::from(200), VerifyBearer(bearer)).await.unwrap().unwrap();
    fixture.users.run(&UserId::from(200), everything()).await.unwrap();
    assert_eq!(fixture.users.unseen(), 9, "it was never among them");
    fixture.users.forget_unseen(None, 3).await.unwrap();
    let stored = || -> Vec<String> {
        let mut ids = fixture.blocker.prepare("SELECT id FROM user ORDER BY id").unwrap();
        ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!((fixture.users.unseen(), stored().len()), (3, 6), "{:?}", stored());
    assert!(["100", "200", "7"].iter().all(|seen| stored().contains(&(*seen).to_owned())), "{:?}", stored());
    fixture.users.count_unseen().await.unwrap();
    assert_eq!(fixture.users.unseen(), 3);
    fixture.users.forget_unseen(Some(now() + Duration::from_secs(1)), 3).await.unwrap();
    assert_eq!((fixture.users.unseen(), stored().len()), (0, 3));
}

#[tokio::test]
async fn a_status_is_answered_from_memory_unless_a_cutoff_may_cover_it() {
    let fixture = Fixture::new().await;
    let tenant = TenantId(0);
    fixture
        .users
        .cut_off(tenant, Vec::new(), String::new(), entry_of_order(tenant), TaskTracker::new().token())
        .await
        .unwrap();
    let _later = fixture.connected().await;
    let answer_from_memory = || fixture.users.answer_from_memory(&fixture.user, &Command::Status);
    assert!(matches!(answer_from_memory(), Some(Reply::Presence(all)) if all.len() == 1));
    fixture.put_in_force(TenantId(1));
    assert_eq!(answer_from_memory(), None, "the store must be asked whether it is this user's tenant");
    assert!(fixture.is_online().await);
    fixture.put_in_force(tenant);
    assert!(!fixture.is_online().await);
    assert_eq!(
        fixture.users.answer_from_memory(&UserId::from(8), &Command::Status),
        Some(Reply::Presence(Vec::new()))
    );
}

/// The known-wrong way was one future with the parts of both stores in it: each command of the one took memory for the other.
#[tokio::test]
async fn commands_take_no_memory_for_the_parts_of_another_store() {
    let fixture = Fixture::new().await;
    let (users, user, command) = (&fixture.users, fixture.users.entry(&fixture.user), Command::Tick);
    let (load, decide) =
        (size_of_val(&users.load(&user, &command)), size_of_val(&users.decide(&user, &command)));
    let commit_local = size_of_val(&users.commit_local(&user, &[]));
    let commit = size_of_val(&users.commit(&user, Turn::Local, &[], &[]));
    let all = size_of_val(&users.make_durable(&user, &command));
    assert!(decide <= load + 128 && commit <= commit_local + 128, "{load} {decide}; {commit_local} {commit}");
    assert!(all <= load.max(commit_local) + 1_024, "{all}");
}
