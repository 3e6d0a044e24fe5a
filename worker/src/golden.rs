//! The forms that cross from one version of the code to another, as files: bodies between the worker and its objects, and what is
//! kept on sockets.
//!
//! A file holds one form of one version, a body a line, every variant of it. A line that code of that version wrote is read, and
//! written as it was. A form that is to change gets a new version and a new file; the old one stays for as long as it may be met.

use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    attachment::Attachment,
    wire::{
        self, ConsoleUpgrade, CutoffAnswer, CutoffAsk, DirectoryAnswer, DirectoryCall, Upgrade, UserAnswer,
        UserAsk,
    },
};

fn lines(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.is_empty(), "{file}");
    text.lines().map(str::to_owned).collect()
}

fn keeps<T: Serialize + DeserializeOwned>(file: &str) {
    for line in lines(file) {
        let body: T = wire::read(&line).unwrap_or_else(|error| panic!("{file}: {error}: {line}"));
        assert_eq!(wire::write(&body).unwrap(), line, "{file}");
    }
}

#[test]
fn questions_to_a_user_keep_their_form() {
    keeps::<UserAsk>("user_ask.v1.jsonl");
}

#[test]
fn answers_of_a_user_keep_their_form() {
    keeps::<UserAnswer>("user_answer.v1.jsonl");
}

#[test]
fn questions_to_a_shard_keep_their_form() {
    keeps::<DirectoryCall>("directory_call.v1.jsonl");
}

#[test]
fn answers_of_a_shard_keep_their_form() {
    keeps::<DirectoryAnswer>("directory_answer.v1.jsonl");
}

#[test]
fn questions_about_orders_and_answers_keep_their_form() {
    keeps::<CutoffAsk>("cutoff_ask.v1.jsonl");
    keeps::<CutoffAnswer>("cutoff_answer.v1.jsonl");
}

/// A question of newer code, and what this code says of it.
#[derive(Deserialize)]
struct Refusal<'a> {
    /// The kind of object that is asked.
    to: &'a str,
    #[serde(borrow)]
    asked: &'a RawValue,
    /// The status of the answer and its text; nothing where the question is understood.
    answered: Option<(u16, String)>,
}

/// The entry of the next version meets these answers while a deploy is under way, and goes by the status.
#[test]
fn questions_of_newer_code_are_refused_as_before() {
    for line in lines("refusal.v1.jsonl") {
        let Refusal { to, asked, answered } = serde_json::from_str(&line).unwrap();
        let error = match to {
            "user" => wire::read::<UserAsk>(asked.get()).err(),
            "shard" => wire::read::<DirectoryCall>(asked.get()).err(),
            "orders" => wire::read::<CutoffAsk>(asked.get()).err(),
            other => panic!("{other}"),
        };
        assert_eq!(error.map(|error| (wire::OTHER_CODE, error.to_string())), answered, "{line}");
    }
}

#[test]
fn upgrades_keep_their_form() {
    keeps::<Upgrade>("upgrade.v1.jsonl");
    keeps::<ConsoleUpgrade>("console_upgrade.v1.jsonl");
}

/// Sockets outlive deploys, so the next code finds what this one has kept on them.
#[test]
fn attachments_keep_their_form() {
    for line in lines("attachment.v1.jsonl") {
        let attachment = Attachment::unpack(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(attachment.pack().unwrap().bytes(), line.as_bytes());
    }
}

/// What earlier code of this version has left on a socket, and the form in which this code leaves it.
#[derive(Deserialize)]
struct Earlier<'a> {
    #[serde(borrow)]
    kept: &'a RawValue,
    read: &'a RawValue,
}

/// Every form that any commit of the main branch has left on sockets, beside those of the test above.
#[test]
fn attachments_of_earlier_code_read() {
    for line in lines("attachment.earlier.jsonl") {
        let Earlier { kept, read } = serde_json::from_str(&line).unwrap();
        let attachment = Attachment::unpack(kept.get().as_bytes()).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(attachment.pack().unwrap().bytes(), read.get().as_bytes());
    }
}

/// A socket of another version is closed, so its attachment must not be read as one of this version.
#[test]
fn an_attachment_of_another_version_does_not_read() {
    for line in lines("attachment.v1.jsonl") {
        let newer = line.replacen("\"v\":1", "\"v\":2", 1);
        assert!(newer != line && Attachment::unpack(newer.as_bytes()).is_none(), "{line}");
    }
}
