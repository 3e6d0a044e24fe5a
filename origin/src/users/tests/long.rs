//! What one caller asks of the store takes long, and nobody waits for it.

use rollcall_core::{
    token::TokenHash,
    user::request::{ShowOverview, VerifyToken},
};

use super::*;

/// Rows of tokens of administrators, beside the user's own.
fn tokens(fixture: &Fixture, user: i64, many: usize) {
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2) \
                INSERT INTO token (user, hash, platform, ord, issued_at, expires_at, state) \
                SELECT ?1, printf('%064x', n * 7919), 10, n, 1, 9999999999999, 0 FROM n";
    fixture.blocker.execute(rows, (user.to_string(), i64::try_from(many).unwrap())).unwrap();
}

fn good_tokens(fixture: &Fixture) -> i64 {
    let good = "SELECT count(*) FROM token WHERE user = '7' AND state = 0";
    fixture.blocker.query_row(good, [], |row| row.get(0)).unwrap()
}

/// Another user logs in while `work` waits for its first commit. Where the work then stands, the login has not waited for all of it.
async fn login_comes_between<T>(fixture: &Fixture, mut work: Pin<&mut impl Future<Output = T>>) {
    let blocked = fixture.block_writer().await;
    blocked.until_it_commits(work.as_mut()).await;
    let other = UserId::from(8);
    let mut login = Box::pin(fixture.users.run(&other, IssueToken { platform: PLATFORM }));
    while fixture.users.store().queued() == 1 {
        assert!(poll!(login.as_mut()).is_pending());
        yield_now().await;
    }
    blocked.end().await;
    login.await.unwrap().unwrap();
    assert!(poll!(work.as_mut()).is_pending(), "the login waited for all of it");
}

/// The known-wrong way was one statement for all tokens of a platform that has no limit of them.
#[tokio::test]
async fn another_users_commit_comes_between_the_pieces_of_a_kick_of_many_tokens() {
    for everything in [false, true] {
        let fixture = Fixture::new().await;
        fixture.token().await;
        tokens(&fixture, 7, 5_000);
        let order = if everything {
            ForceOff::Everything { within: None, notice: None, at: None }
        } else {
            ForceOff::Platform(Platform::Admin)
        };
        let mut kick = Box::pin(fixture.users.run(&fixture.user, order));
        login_comes_between(&fixture, kick.as_mut()).await;
        assert!((1..5_000).contains(&good_tokens(&fixture)), "{}", good_tokens(&fixture));
        kick.await.unwrap();
        assert_eq!(good_tokens(&fixture), i64::from(!everything), "the web's token is of another platform");
    }
}

/// The known-wrong way was to read them on the thread through which the rows of every login come.
#[tokio::test]
async fn a_login_does_not_wait_for_the_page_of_a_user_with_very_many_tokens() {
    let fixture = Fixture::new().await;
    tokens(&fixture, 7, 200_000);
    let mut page = Box::pin(fixture.users.run(&fixture.user, ShowOverview { within: None, details: true }));
    assert!(poll!(page.as_mut()).is_pending());
    let (other, token) = (UserId::from(8), TokenHash::of("none"));
    fixture.users.run(&other, VerifyToken { token }).await.unwrap().unwrap_err();
    assert!(poll!(page.as_mut()).is_pending(), "the other user's rows came after the page");
    let details = page.await.unwrap().details.unwrap();
    assert_eq!((details.tokens.len(), details.token_count), (100, 200_000));
    assert_eq!(details.tokens[0].order, 200_000, "the newest first");
}

/// The known-wrong way was one commit with a row for each of the users.
#[tokio::test]
async fn another_users_commit_comes_between_the_pieces_of_an_order_to_a_set_of_users() {
    let fixture = Fixture::new().await;
    let (tenant, under_way) = (TenantId(0), TaskTracker::new());
    let named = || (7..3_007).collect::<Vec<_>>();
    fixture.fail("no_order", "INSERT ON scoped_cutoff", "raise(ABORT, 'no')");
    let order = |users| {
        fixture.users.cut_off_users(tenant, users, String::new(), entry_of_order(tenant), under_way.token())
    };
    let token = fixture.token().await;
    let hash = TokenHash::of(token.expose());
    let is_good =
        async || fixture.users.run(&fixture.user, VerifyToken { token: hash }).await.unwrap().is_ok();
    order(named()).await.unwrap_err();
    fixture.blocker.execute_batch("DROP TRIGGER no_order").unwrap();
    // Its number is given again, and its users are not those of the next order.
    order(vec![8]).await.unwrap();
    assert!(is_good().await);
    while !fixture.users.undelivered(tenant).await.unwrap().is_empty() {
        yield_now().await;
    }
    let mut order = Box::pin(order(named()));
    login_comes_between(&fixture, order.as_mut()).await;
    assert!(is_good().await, "it is not in force yet");
    order.await.unwrap();
    assert!(!is_good().await);
    under_way.close();
    under_way.wait().await;
    assert!(fixture.users.undelivered(tenant).await.unwrap().is_empty());
}
