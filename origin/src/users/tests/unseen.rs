//! Orders about users who were never seen, when the store keeps as many of these as it may.

use std::time::Duration;

use rollcall_core::{id::UserId, user::ForceOff};
use tokio::{task::yield_now, time::timeout};

use super::Fixture;
use crate::{server::sweep, users::MOST_UNSEEN};

#[tokio::test]
async fn one_more_than_the_store_keeps_takes_the_place_of_the_oldest_before_any_sweep() {
    let fixture = Fixture::new().await;
    let sweeping = tokio::spawn(sweep::keep(fixture.users.clone()));
    let everything = || ForceOff::Everything { within: None, notice: None, at: None };
    let stored = || -> Vec<String> {
        let mut ids = fixture.blocker.prepare("SELECT id FROM user ORDER BY unseen_at, id").unwrap();
        ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for user in 100..103 {
        fixture.users.run(&UserId::from(user), everything()).await.unwrap();
    }
    fixture.users.shared.unseen.assume(MOST_UNSEEN - 1);
    fixture.users.run(&UserId::from(103), everything()).await.unwrap();
    assert_eq!(stored().len(), 4, "as many as are kept");
    fixture.users.run(&UserId::from(104), everything()).await.unwrap();
    let one_gone = async {
        while fixture.users.unseen() > MOST_UNSEEN {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), one_gone).await.unwrap();
    assert_eq!(stored(), ["101", "102", "103", "104"]);
    sweeping.abort();
}
