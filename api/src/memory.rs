//! What reading a body takes in memory, measured.

use axum::body::{Body, Bytes};
use futures_util::{FutureExt as _, stream};
use http::Request;
use peak_alloc::PeakAlloc;
use rollcall_core::{config::MessageCenter, directory::zone::Zone, json, message_center::Order};
use serde::de::DeserializeOwned;

use crate::{
    BODY_BYTES, body,
    openim::bodies::{AdminTokenRequest, Login, TokenRequest, UserIds},
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The length of the bodies, in bytes: what is taken besides must not count.
const LENGTH: usize = 512 << 10;
/// What reading a body may take, in lengths of the body.
const MOST: usize = 8;

/// The most memory that `read` takes at a time, in bytes.
fn peak<T>(read: impl FnOnce() -> T) -> usize {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let done = read();
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    drop(done);
    peak
}

/// A text that begins and ends like this, with this in between until it has the length.
fn filled(start: &str, filling: &str, end: &str) -> Bytes {
    let count = (LENGTH - start.len() - end.len()) / filling.len();
    format!("{start}{}{end}", filling.repeat(count)).into()
}

fn bodies() -> Vec<Bytes> {
    vec![
        filled(r#"{"userIDs":["#, r#""","#, r#"""]}"#),
        filled(r#"{"userIDs":[""#, "x", r#""]}"#),
        filled(r#"{"userIDs":[""#, r"\n", r#""]}"#),
        filled(r#"{"userIDs":["#, "1,", "1]}"),
        filled(r#"{"userIDs":["#, "[],", "[]]}"),
        filled(r#"{"receiveObjectType":"USER","receiveObjectIds":["#, "1,", "1]}"),
        filled(r#"{"receiveObjectType":"USER","receiveObjectIds":["#, "null,", "null]}"),
        filled(r#"{"receiveObjectType":""#, r"\n", r#""}"#),
        filled(r#"{"select":{"userIds":["#, "1,", "1]}}"),
        filled(r#"{"select":{"filters":["#, "{},", "{}]}}"),
        filled(r#"{"select":{"filters":[{"value":["#, r#""x","#, r#""x"]}]}}"#),
        filled(r#"{"token":""#, "x", r#""}"#),
        filled(r#"{"token":""#, r"\n", r#""}"#),
        filled(r#"{"secret":""#, r"\n", r#"","userID":7}"#),
        filled("{", r#""a":1,"#, r#""platformID":"x"}"#),
        filled(r#"{"a":"#, "[", ""),
        filled(r#"{"a":["#, r#"{"a":1},"#, "1]}"),
        filled(r#"{"a":""#, r"\n", r#"","platformID":[]}"#),
    ]
}

/// Everything that a route does before it knows what it is asked.
fn read(pieces: &Bytes, size: usize, parse: impl Fn(&[u8])) {
    let pieces = pieces.clone();
    let body = (0..pieces.len())
        .step_by(size)
        .map(move |at| Ok::<_, std::convert::Infallible>(pieces.slice(at..pieces.len().min(at + size))));
    let parts = Request::new(()).into_parts().0;
    let read = body::read(&parts, Body::from_stream(stream::iter(body)), BODY_BYTES);
    parse(&read.now_or_never().unwrap().unwrap());
}

fn object<T: DeserializeOwned>(bytes: &[u8]) {
    drop(json::object::<T>(bytes));
}

/// Reads a body and lets go of what it says.
type Parser = fn(&[u8]);

fn ids(bytes: &[u8]) {
    if let Ok(asked) = json::object::<UserIds>(bytes) {
        drop(asked.within(1000));
    }
}

fn order(bytes: &[u8]) {
    drop(Order::parse(bytes, &MessageCenter::default(), true));
}

fn selection(bytes: &[u8]) {
    drop(rollcall_core::order::Request::parse(bytes, &Zone::default()));
}

/// Set in the process that measures.
const ALONE: &str = "ROLLCALL_TEST_MEMORY_ALONE";

#[test]
fn reading_a_body_takes_a_few_times_its_length_however_it_is_made_and_arrives() {
    if std::env::var_os(ALONE).is_some() {
        return measure();
    }
    // The allocator counts what all threads of a process take, those of other tests as well.
    let name = "memory::reading_a_body_takes_a_few_times_its_length_however_it_is_made_and_arrives";
    let alone = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = [alone.stdout, alone.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(alone.status.success() && said.contains("1 passed"), "{said}");
}

fn measure() {
    let parsers: [(&str, Parser); 6] = [
        ("ids", ids),
        ("order", order),
        ("selection", selection),
        ("login", object::<Login>),
        ("token", object::<TokenRequest>),
        ("secret", object::<AdminTokenRequest>),
    ];
    let mut worst = 0;
    for whole in bodies() {
        let start = String::from_utf8_lossy(&whole[..40]).into_owned();
        for (name, parse) in parsers {
            let peak = peak(|| read(&whole, 16 << 10, parse));
            worst = worst.max(peak);
            assert!(peak <= MOST * LENGTH, "{name}: {peak} bytes for {start}...");
        }
    }
    let dripping = peak(|| read(&filled("{", " ", "}"), 1, object::<Login>));
    assert!(dripping <= MOST * LENGTH, "{dripping} bytes for a body that arrives byte by byte");
    println!("at most {worst} bytes for {LENGTH}");
}
