//! Registering users, as back ends do before they ask for tokens, and the names that come of it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    check::{at, holds, same},
    console::api::Api,
    world::World,
};

const REGISTER: &str = "/user/user_register";
const CHECK: &str = "/user/account_check";
const UPDATE: &str = "/user/update_user_info";
const UPDATE_EX: &str = "/user/update_user_info_ex";
const INFO: &str = "/user/get_users_info";
const PICTURE: &str = "https://cdn.example.test/ada.png";

pub(super) fn cases() -> Vec<Case> {
    let base = cases![Base, "base":
        a_registered_user_is_known_and_named,
        what_is_wrong_with_a_registration_is_told_in_order,
        one_known_user_refuses_the_whole_call,
        a_registration_that_ended_halfway_is_repeated,
        accounts_are_checked_one_by_one,
        a_name_is_changed_by_an_administrator_and_by_the_user_itself,
        an_update_is_of_a_registered_user,
        texts_of_an_account_are_bounded,
        a_user_who_never_registered_works_as_before,
    ];
    let console = cases![Console, "console":
        records_show_the_registered_name_and_picture,
    ];
    base.into_iter().chain(console).collect()
}

async fn info(world: &World, user: &str) -> Result<(String, String)> {
    let data = world.as_admin(INFO, &json!({"userIDs": [user]})).await?.data()?;
    let text = |name: &str| {
        let found = at(&data, &format!("/usersInfo/0/{name}"))?;
        Ok::<_, anyhow::Error>(found.as_str().context("no text")?.to_owned())
    };
    Ok((text("nickname")?, text("faceURL")?))
}

fn named(nickname: &str, picture: &str) -> (String, String) {
    (nickname.to_owned(), picture.to_owned())
}

async fn register(world: &World, user: &str, nickname: &str) -> Result<()> {
    let users = json!({"users": [{"userID": user, "nickname": nickname, "faceURL": PICTURE}]});
    world.as_admin(REGISTER, &users).await?.empty()
}

async fn a_registered_user_is_known_and_named(world: World) -> Result<()> {
    let (ada, eve) = (world.user("a"), world.user("e"));
    let users = json!({
        // What older back ends send besides.
        "secret": "x",
        "users": [
            {"userID": ada, "nickname": "Ada", "faceURL": PICTURE, "ex": "{}", "appMangerLevel": 1},
            {"userID": eve, "faceURL": null},
        ],
    });
    world.as_admin(REGISTER, &users).await?.empty()?;
    let data = world.as_admin(CHECK, &json!({"checkUserIDs": [eve, ada]})).await?.data()?;
    let known = |user: &str| json!({"userID": user, "accountStatus": 1});
    same(data, json!({"results": [known(&eve), known(&ada)]}), "the accounts")?;
    same(info(&world, &ada).await?, named("Ada", PICTURE), "nickname and faceURL")?;
    same(info(&world, &eve).await?, named(&eve, ""), "nickname and faceURL of a user without any")?;
    // Any good token may ask.
    let token = world.issue(&eve, 5).await?;
    let answer = world.post(INFO, Some(&token), &json!({"userIDs": [ada]})).await?;
    let wanted = json!({"userID": ada, "nickname": "Ada", "faceURL": PICTURE, "ex": ""});
    same(answer.data()?, json!({"usersInfo": [wanted]}), "the answer to a user")
}

async fn what_is_wrong_with_a_registration_is_told_in_order(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&world.user("caller"), 5).await?;
    for body in [json!({}), json!({"users": null}), json!({"users": []})] {
        let answer = world.post(REGISTER, Some(&token), &body).await?;
        answer.refused(1001, "users is empty").with_context(|| body.to_string())?;
    }
    let twice = json!({"users": [{"userID": user}, {"userID": user}]});
    let caller = world.user("caller");
    let detail = format!("user {caller} is not admin userID");
    world.post(REGISTER, Some(&token), &twice).await?.refused(1002, &detail)?;
    for (users, detail) in [
        (json!([{"userID": user}, {"userID": user}]), "userID repeated".to_owned()),
        (json!([{"userID": ""}, {"userID": ""}]), "userID repeated".to_owned()),
        (json!([{"userID": user}, {"userID": ""}]), "userID is empty".to_owned()),
        (json!([{"userID": user}, {"nickname": "x"}]), "userID is empty".to_owned()),
        (json!([{"userID": "a:b"}]), "userID contains ':' is invalid userID".to_owned()),
        (json!([{"userID": "u".repeat(257)}]), "userID is longer than 256 bytes".to_owned()),
    ] {
        let answer = world.as_admin(REGISTER, &json!({"users": users})).await?;
        answer.refused(1001, &detail).with_context(|| users.to_string())?;
    }
    for (users, wanted) in [
        (json!([{"userID": user}, {"userID": 7}]), "users[1].userID: expected text"),
        (json!([[user]]), "users[0]: expected an object"),
        (json!({"userID": user}), "users: expected a list"),
    ] {
        let answer = world.as_admin(REGISTER, &json!({"users": users})).await?;
        let detail = format!("the body is not the JSON object that this takes ({wanted})");
        answer.refused(1001, &detail).with_context(|| users.to_string())?;
    }
    let many: Vec<Value> = (0..1_001).map(|index| json!({"userID": format!("{user}-{index}")})).collect();
    world.as_admin(REGISTER, &json!({"users": many})).await?.refused(1001, "too many users")?;
    unknown(&world, &user).await
}

/// Nothing was written about the user.
async fn unknown(world: &World, user: &str) -> Result<()> {
    let data = world.as_admin(CHECK, &json!({"checkUserIDs": [user]})).await?.data()?;
    same(data, json!({"results": [{"userID": user, "accountStatus": 0}]}), "the account")
}

async fn one_known_user_refuses_the_whole_call(world: World) -> Result<()> {
    let (known, new) = (world.user("known"), world.user("new"));
    register(&world, &known, "Ada").await?;
    for user in [known.as_str(), "imAdmin"] {
        let users =
            json!({"users": [{"userID": new, "nickname": "New"}, {"userID": user, "nickname": "Eve"}]});
        world.as_admin(REGISTER, &users).await?.refused(1102, "userID registered already")?;
        unknown(&world, &new).await?;
    }
    same(info(&world, &known).await?, named("Ada", PICTURE), "nickname and faceURL")
}

/// The known-wrong way was to refuse the repetition because of the users that the first call had registered.
async fn a_registration_that_ended_halfway_is_repeated(world: World) -> Result<()> {
    let (written, missing) = (world.user("written"), world.user("missing"));
    register(&world, &written, "Ada").await?;
    let of = |user: &str, nickname: &str| json!({"userID": user, "nickname": nickname, "faceURL": PICTURE});
    let call = async |users: [Value; 2]| world.as_admin(REGISTER, &json!({"users": users})).await;
    for other in [of(&written, "ada"), of("imAdmin", ""), json!({"userID": "imAdmin"})] {
        let answer = call([of(&missing, "Eve"), other.clone()]).await?;
        answer.refused(1102, "userID registered already").with_context(|| other.to_string())?;
        unknown(&world, &missing).await?;
    }
    let both = || [of(&written, "Ada"), of(&missing, "Eve")];
    call(both()).await?.empty()?;
    same(info(&world, &missing).await?, named("Eve", PICTURE), "nickname and faceURL")?;
    call(both()).await?.refused(1102, "userID registered already")?;
    let alone = world.as_admin(REGISTER, &json!({"users": [of(&missing, "Eve")]})).await?;
    alone.refused(1102, "userID registered already")
}

async fn accounts_are_checked_one_by_one(world: World) -> Result<()> {
    let (known, new) = (world.user("known"), world.user("new"));
    register(&world, &known, "Ada").await?;
    let ids = json!({"checkUserIDs": [new, known, "imAdmin", ""]});
    let data = world.as_admin(CHECK, &ids).await?.data()?;
    let status = |user: &str, status: i64| json!({"userID": user, "accountStatus": status});
    let wanted = [status(&new, 0), status(&known, 1), status("imAdmin", 1), status("", 0)];
    same(data, json!({"results": wanted}), "the accounts")?;
    let nobody = world.as_admin(CHECK, &json!({"checkUserIDs": []})).await?.data()?;
    same(nobody, json!({"results": []}), "no accounts")?;
    for body in [json!({}), json!({"checkUserIDs": null})] {
        world.as_admin(CHECK, &body).await?.refused(1001, "CheckUserIDs is empty")?;
    }
    let twice = json!({"checkUserIDs": [new, new]});
    world.as_admin(CHECK, &twice).await?.refused(1001, "userID repeated")?;
    let token = world.issue(&new, 5).await?;
    let detail = format!("user {new} is not admin userID");
    world.post(CHECK, Some(&token), &json!({"checkUserIDs": [new]})).await?.refused(1002, &detail)
}

async fn a_name_is_changed_by_an_administrator_and_by_the_user_itself(world: World) -> Result<()> {
    let (ada, eve) = (world.user("a"), world.user("e"));
    register(&world, &ada, "Ada").await?;
    let token = world.issue(&ada, 5).await?;
    let change = |info: Value| json!({"userInfo": info});
    let answer = world.as_admin(UPDATE, &change(json!({"userID": ada, "nickname": "Countess"}))).await?;
    answer.empty()?;
    same(info(&world, &ada).await?, named("Countess", PICTURE), "what is left out stays")?;
    // An empty text is none here, and removes the other one there.
    let empty = change(json!({"userID": ada, "nickname": "", "faceURL": "p.png"}));
    world.post(UPDATE, Some(&token), &empty).await?.empty()?;
    same(info(&world, &ada).await?, named("Countess", "p.png"), "an empty name")?;
    world.post(UPDATE_EX, Some(&token), &empty).await?.empty()?;
    same(info(&world, &ada).await?, named(&ada, "p.png"), "a name that was removed")?;
    let left_out = change(json!({"userID": ada, "faceURL": null}));
    world.post(UPDATE_EX, Some(&token), &left_out).await?.empty()?;
    same(info(&world, &ada).await?, named(&ada, "p.png"), "nothing")?;
    let stranger = world.issue(&eve, 5).await?;
    let detail = format!("user {eve} is not admin userID");
    for path in [UPDATE, UPDATE_EX] {
        let body = change(json!({"userID": ada, "nickname": "Eve"}));
        world.post(path, Some(&stranger), &body).await?.refused(1002, &detail)?;
    }
    same(info(&world, &ada).await?, named(&ada, "p.png"), "what a stranger changed")
}

async fn an_update_is_of_a_registered_user(world: World) -> Result<()> {
    let user = world.user("a");
    for path in [UPDATE, UPDATE_EX] {
        let update = |info: Value| json!({"userInfo": info});
        let answer = world.as_admin(path, &update(json!({"userID": user, "nickname": "Ada"}))).await?;
        answer.refused(1004, "")?;
        for body in [json!({}), update(Value::Null)] {
            world.as_admin(path, &body).await?.refused(1001, "UserInfo is empty")?;
        }
        world.as_admin(path, &update(json!({"nickname": "Ada"}))).await?.refused(1001, "userID is empty")?;
    }
    unknown(&world, &user).await
}

async fn texts_of_an_account_are_bounded(world: World) -> Result<()> {
    let user = world.user("a");
    let longest = json!({"userID": user, "nickname": "n".repeat(512), "faceURL": "f".repeat(2_048)});
    for (name, most) in [("nickname", 512), ("faceURL", 2_048)] {
        let long = json!({"userID": user, name: "x".repeat(most + 1)});
        let detail = format!("{name} is longer than {most} bytes");
        world.as_admin(REGISTER, &json!({"users": [long]})).await?.refused(1001, &detail)?;
        unknown(&world, &user).await?;
    }
    world.as_admin(REGISTER, &json!({"users": [longest]})).await?.empty()?;
    for path in [UPDATE, UPDATE_EX] {
        for (name, most) in [("nickname", 512), ("faceURL", 2_048)] {
            let long = json!({"userID": user, name: "x".repeat(most + 1)});
            let detail = format!("{name} is longer than {most} bytes");
            world.as_admin(path, &json!({"userInfo": long})).await?.refused(1001, &detail)?;
        }
    }
    let wanted = named(&"n".repeat(512), &"f".repeat(2_048));
    same(info(&world, &user).await?, wanted, "nickname and faceURL")
}

async fn a_user_who_never_registered_works_as_before(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, socket) = world.login(&user, 5).await?;
    unknown(&world, &user).await?;
    same(info(&world, &user).await?, named(&user, ""), "nickname and faceURL")?;
    // And a token comes first or later.
    register(&world, &user, "Ada").await?;
    world.issue(&user, 1).await?;
    socket.close().await
}

async fn records_show_the_registered_name_and_picture(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    // No other case and no static token has this number; its tenant is 0.
    let user = api.fixture().user(951);
    let admin = world.admin_token().await?;
    let shown = async |device: &str| {
        let target = format!("{}?userId={user}&deviceId={device}", crate::console::api::LIST);
        let page = api.ask(&api.request("GET", &target, &admin)).await?.page()?;
        let record = page.records.into_iter().next().context("no record")?;
        Ok::<_, anyhow::Error>((record.full_name, record.avatar))
    };
    let connect = async |device: &str| {
        let token = world.issue(&user.to_string(), 5).await?;
        let handshake =
            crate::ws::Handshake::new(&user.to_string(), 5, &token).header("XC-Auth-Device-Id", device);
        let socket = world.upgraded(&handshake).await?;
        world.eventually("a record", || async { Ok(shown(device).await.is_ok()) }, &true).await?;
        Ok::<_, anyhow::Error>(socket)
    };
    // A run before this one may have registered it, and has taken its name away.
    let users = json!({"users": [{"userID": user.to_string()}]});
    let code = world.as_admin(REGISTER, &users).await?.code()?;
    holds(matches!(code, 0 | 1102), || format!("errCode {code}"))?;
    let _before = connect("before").await?;
    let update = json!({"userInfo": {"userID": user.to_string(), "nickname": "Ada", "faceURL": PICTURE}});
    world.as_admin(UPDATE, &update).await?.empty()?;
    let _after = connect("after").await?;
    same(shown("after").await?, ("Ada".to_owned(), Some(PICTURE.to_owned())), "name and picture")?;
    same(shown("before").await?, (user.to_string(), None), "those of a connection before")?;
    let update = json!({"userInfo": {"userID": user.to_string(), "nickname": "Countess", "faceURL": ""}});
    world.as_admin(UPDATE_EX, &update).await?.empty()?;
    let _renamed = connect("renamed").await?;
    same(shown("renamed").await?, ("Countess".to_owned(), None), "the new name")?;
    let nameless = json!({"userInfo": {"userID": user.to_string(), "nickname": ""}});
    world.as_admin(UPDATE_EX, &nameless).await?.empty()
}
