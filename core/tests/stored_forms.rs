//! JSON that earlier releases stored reads back and is written in the same form: in a column of the subscription state, in
//! the user's own row, and on sockets at the edge.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::fmt::Debug;

use rollcall_core::{
    token::store::IssueClock,
    user::{Connection, Console, FanOut},
};
use serde::{Serialize, de::DeserializeOwned};

fn is_kept<T: DeserializeOwned + Serialize + Debug>(stored: &str) -> T {
    let value: T = serde_json::from_str(stored).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), stored);
    value
}

#[test]
fn a_fan_out_keeps_its_stored_form() {
    let fan_out: FanOut =
        is_kept(r#"{"until":"w009","is_around":true,"missed":true,"rounds":2,"next_at":1000}"#);
    assert!(fan_out.has_wrapped && fan_out.missed);
}

#[test]
fn the_issue_clock_keeps_its_stored_form() {
    is_kept::<IssueClock>(r#"{"second":1700000000,"given":[[5,1]],"most":3}"#);
}

#[test]
fn a_connection_keeps_the_form_of_its_attachment() {
    is_kept::<Connection>(concat!(
        r#"{"id":"000102030405060708090a0b0c0d0e0f","token":{"user":"u1","platform":5,"expires":1700007776000,"#,
        r#""hash":"0000000000000000000000000000000000000000000000000000000000000000","text":"T"},"#,
        r#""background":false,"order":1,"opened_at":1700000000000,"wire":{"encoding":"Json","gzip":false},"#,
        r#""record":null,"replacements":[]}"#,
    ));
}

#[test]
fn a_console_keeps_the_form_of_its_attachment() {
    let console: Console = is_kept(concat!(
        r#"{"id":"000102030405060708090a0b0c0d0e0f","opened_at":1700000000000,"expires":null,"record":"7","#,
        r#""talk":{"framing":"Bare","session":{"heart":"Rests","version":"V12","agreed":{"ours":0,"theirs":0},"#,
        r#""subscriptions":[{"id":"a","topic":true,"acknowledged":false}],"unread":{"head":"","body":null}}}}"#,
    ));
    assert!(console.session.is_some());
    let plain: Console = is_kept(concat!(
        r#"{"id":"000102030405060708090a0b0c0d0e0f","opened_at":1700000000000,"expires":1700007776000,"#,
        r#""record":null,"talk":null}"#,
    ));
    assert!(plain.session.is_none());
}
