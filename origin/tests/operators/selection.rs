//! `kick` with a selection, and `orders`.

use serde_json::json;

use crate::{
    kit::Server,
    shell::{document, ended, err, golden, run},
};

const KICKED: i64 = 1506;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selection_is_looked_at_kicked_by_one_order_and_shown() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    // Two users are many: their order is in force first, and delivered then.
    let server = Server::start(&data_dir, "[message_center]\ndirect_users = 1\n");
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (one, mut first) = world.login("101", 5).await.unwrap();
    let (other, mut second) = world.login("102", 5).await.unwrap();
    let (bystander, mut stays) = world.login("203", 5).await.unwrap();
    let kick = ["kick", "--filter", "fullName MATCH 10", "--reason", "a test"];
    let with = |more: &[&'static str]| [&kick[..], more].concat();

    let looked = ended(&run(&data_dir, &admin, &with(&["--dry-run"])), 0);
    assert_eq!(golden(&looked), ["2 users with 2 matching connections would be taken offline", "101, 102"]);
    assert_eq!(world.verdict(&one).await.unwrap(), 0);
    let unasked = run(&data_dir, &admin, &kick);
    ended(&unasked, 2);
    assert!(err(&unasked).contains("--yes"), "{}", err(&unasked));

    let order = document(&run(&data_dir, &admin, &with(&["--yes", "--json"])), 0);
    assert_eq!((&order["state"], &order["reached"]), (&json!("cutOff"), &json!(2)));
    assert_eq!((&order["reason"], &order["unreached"]), (&json!("a test"), &json!([])));
    first.kicked().await.unwrap();
    second.kicked().await.unwrap();
    stays.alive().await.unwrap();
    for (token, verdict) in [(&one, KICKED), (&other, KICKED), (&bystander, 0)] {
        assert_eq!(world.verdict(token).await.unwrap(), verdict);
    }

    let by_platform = ["kick", "203", "--platform", "Web", "--reason", "r", "--yes"];
    let told = ended(&run(&data_dir, &admin, &by_platform), 0);
    assert!(told.starts_with("1 users with 1 matching connections are offline, by the order "), "{told}");
    stays.kicked().await.unwrap();

    let listed = document(&run(&data_dir, &admin, &["orders", "--json"]), 0);
    let list = listed["list"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!((&list[0]["scope"], &list[1]["id"]), (&json!("connection"), &order["id"]));
    let newest = document(&run(&data_dir, &admin, &["orders", "--limit", "1", "--json"]), 0);
    assert_eq!(newest["next"], list[0]["id"]);
    let id = order["id"].as_str().unwrap();
    assert_eq!(document(&run(&data_dir, &admin, &["orders", id, "--json"]), 0), order);
    let shown = ended(&run(&data_dir, &admin, &["orders", id]), 0);
    assert!(shown.contains("cutOff") && shown.contains("a test"), "{shown}");
    ended(&run(&data_dir, &admin, &["orders", &"0".repeat(32)]), 1);

    let denied = run(&data_dir, &admin, &["kick", "203", "--deny", "2h", "--yes", "--json"]);
    let until = document(&denied, 0)["denyUntil"].as_str().unwrap().to_owned();
    let shown = ended(&run(&data_dir, &admin, &["orders", "--limit", "1"]), 0);
    assert!(shown.contains("DENIED UNTIL") && shown.contains(&until), "{shown}");
    assert!(world.issue("203", 5).await.is_err());

    for wrong in [
        &["kick", "alice", "--dry-run"][..],
        &["kick", "101", "--deny", "1 year", "--yes"],
        &["kick", "--tenant", "0", "--deny", "1h", "--yes"],
        &["kick", "--tenant", "0", "--dry-run"],
        &["kick", "--dry-run"],
        &["kick", "--filter", "name MATCH x", "--yes"],
        &["kick", "--tenant", "0", "--platform", "5", "101", "--yes"],
    ] {
        ended(&run(&data_dir, &admin, wrong), 2);
    }
}
