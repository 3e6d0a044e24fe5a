//! The columns that hold JSON, as files: a text that an earlier program stored is read, and stored as it was.
//!
//! A file is named by table, column and version of the form. A form that is to change gets a new file; the old one is still read.

use std::{collections::BTreeMap, path::Path};

use rusqlite::Connection;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::{
    Value,
    migrations::{StoreKind, tables},
};
use crate::{
    audit::{Entry, Part},
    deny::DenyWindow,
    directory::membership::Membership,
    id::TenantId,
    order::Taken,
    serial::Serial,
    time::Timestamp,
    token::store::IssueClock,
    user::FanOut,
};

fn keeps<T: Serialize + DeserializeOwned>(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let value: T = crate::json::read(text.trim_end()).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(Value::json(&value), Value::Text(text.trim_end().to_owned()), "{file}");
}

#[test]
fn columns_of_json_keep_their_form() {
    keeps::<IssueClock>("user.issue_clock.v1.json");
    keeps::<Vec<(TenantId, Timestamp)>>("user.revoked_in.v1.json");
    keeps::<Vec<(TenantId, Serial)>>("user.settled_in.v1.json");
    keeps::<Vec<DenyWindow>>("user.denied.v1.json");
    keeps::<DenyWindow>("scoped_cutoff.deny.v1.json");
    keeps::<Vec<(TenantId, Serial)>>("user.unlocked_in.v1.json");
    keeps::<FanOut>("ties.wave.v1.json");
    keeps::<Vec<i64>>("tenant_mark.exempt.v1.json");
    keeps::<Vec<i64>>("wave.exempt.v1.json");
    keeps::<Vec<String>>("scoped_part.users.v1.json");
    keeps::<Membership>("record.member_of.v1.json");
    keeps::<Part>("record.audit.v1.json");
    keeps::<Entry>("force_off.entry.v1.json");
    keeps::<Vec<Taken>>("selected.users.v1.json");
}

/// A `member_of` of NULL is one that is not known; what stands there is made of numbers and can always be written.
#[test]
fn what_cannot_be_written_is_refused_by_its_column() {
    let unwritable = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(Value::json(&unwritable), Value::Null);
    // `INSERT OR REPLACE` writes a default in the place of NULL, so those columns have none.
    let columns = [
        ("user", "issue_clock", false),
        ("user", "revoked_in", false),
        ("user", "unlocked_in", false),
        ("user", "settled_in", false),
        ("user", "denied", false),
        ("scoped_cutoff", "deny", false),
        ("tenant_mark", "exempt", false),
        ("ties", "wave", false),
        ("wave", "exempt", true),
    ];
    for (table, column, is_replaced) in columns {
        let store = Connection::open_in_memory().unwrap();
        let kind = if table == "wave" { StoreKind::Shard } else { StoreKind::Origin };
        store.execute_batch(&tables(kind)).unwrap();
        let sql = "SELECT \"notnull\", dflt_value IS NOT NULL FROM pragma_table_info(?1) WHERE name = ?2";
        let (refuses_null, has_default): (bool, bool) =
            store.query_row(sql, [table, column], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert!(refuses_null && !(is_replaced && has_default), "{table}.{column}");
    }
}

/// The golden files of both crates: how many lines were released, and the SHA-256 of these lines. Lines may be added behind them.
const RELEASED: &[(&str, usize, &str)] = &[
    (
        "core/golden/audit.details.v1.jsonl",
        5,
        "71f62dacb1b255e01afd117913de9e3e0fb7ad37ace035bf1031cc01969f0fa7",
    ),
    (
        "core/golden/force_off.entry.v1.json",
        1,
        "975b2d074fb4cb45e484389214e6f802edb038cef9c118ce9bacc64eea918ba1",
    ),
    (
        "core/golden/population.v1.jsonl",
        10,
        "9dc0e539eea606191be5b3ec91c95e6ae655979e07c6d2630213bc90617d0795",
    ),
    (
        "core/golden/record.audit.v1.json",
        1,
        "a06ff4017531ecef991a57a6e06bb841f504b9aba3912d69a56af3a7d91bc99d",
    ),
    (
        "core/golden/record.member_of.v1.json",
        1,
        "d4b6a51a1813d07160a7053fd062b44366adead69987578d71740b6d669ba06a",
    ),
    (
        "core/golden/scoped_cutoff.deny.v1.json",
        1,
        "ad04772dabd5e4324a5e57900f83e2a17f4393495200ea1d5e4a7bf9b3378df1",
    ),
    (
        "core/golden/scoped_part.users.v1.json",
        1,
        "4ed6878692f3d914061fa6ffc79e0578d362011d14ff6a8a2e487da9275b7aa8",
    ),
    (
        "core/golden/selected.users.v1.json",
        1,
        "1f6c2d9ab3642db175d4923d2b8ffa2a24ac6da46f492d8613af45169c9f345a",
    ),
    (
        "core/golden/tenant_mark.exempt.v1.json",
        1,
        "c8398a791d4732093c75799ce6461295a8fdc749ef8f1de9772c13dd665ad663",
    ),
    ("core/golden/ties.wave.v1.json", 1, "a45381825d1cc5d187696cca462499dcda1a7b1d3f446c63f20d1cda63527e5c"),
    (
        "core/golden/user.denied.v1.json",
        1,
        "09fc8e8f9db0504cc029b7202c979a3605ba4f19b9fe9fbcccac134e09fa6789",
    ),
    (
        "core/golden/user.issue_clock.v1.json",
        1,
        "4f0db6e832d51dbecb8b7d2d69727c4ede254d670318743c3a276cd6336b4ee4",
    ),
    (
        "core/golden/user.revoked_in.v1.json",
        1,
        "5168caa73bf67a57e64c08363bbdaceba6dfdbc872e49bc31f352657307f546f",
    ),
    (
        "core/golden/user.settled_in.v1.json",
        1,
        "611866a4e0acbf27e040eadc6701e617f2c61b4310c4c2836989e1b4361c319c",
    ),
    (
        "core/golden/user.unlocked_in.v1.json",
        1,
        "611866a4e0acbf27e040eadc6701e617f2c61b4310c4c2836989e1b4361c319c",
    ),
    (
        "core/golden/wave.exempt.v1.json",
        1,
        "c8398a791d4732093c75799ce6461295a8fdc749ef8f1de9772c13dd665ad663",
    ),
    (
        "worker/golden/attachment.earlier.jsonl",
        9,
        "6f68835d96536ed07bc2163f9c784d948b179de840ae30780aabb9a28a054032",
    ),
    (
        "worker/golden/attachment.v1.jsonl",
        11,
        "684009a485836a024186bb0ca58e56da70bb5773a4d4c6552cc5c3a491f71b18",
    ),
    (
        "worker/golden/console_upgrade.v1.jsonl",
        2,
        "309fd7e795978f8201887d23f03b7e7c75b29e8200c78d2345fccd848ee5093f",
    ),
    (
        "worker/golden/cutoff_answer.v1.jsonl",
        11,
        "852ad9ab9fae763479f60ff676d4be0dcbcf33cf69f12ff4024aea2dcdc3a8a2",
    ),
    (
        "worker/golden/cutoff_ask.v1.jsonl",
        7,
        "61bb6d4cd4644a26575634a92259a9a7abb05807810dd6fe55d31790db03e3e4",
    ),
    (
        "worker/golden/directory_answer.v1.jsonl",
        20,
        "2c63846800a6a1c7e546c4232f642272ecd71d42e8e1ce98b66a104ce48a2555",
    ),
    (
        "worker/golden/directory_call.v1.jsonl",
        32,
        "e4a071baf6f39610696a6b0f965747f145156cd09c5fd89a9b5d2ff98f561296",
    ),
    (
        "worker/golden/refusal.v1.jsonl",
        10,
        "2280bde8fd8a783ccbe5d460396bb0e22b433a61c3f85ad6bc03c97a1e8d479b",
    ),
    ("worker/golden/upgrade.v1.jsonl", 2, "1b275836de75e17c92a020977f86098b09baf5f9f063c481183f584a0e0ec078"),
    (
        "worker/golden/user_answer.v1.jsonl",
        38,
        "ffea115865eeb8c2b86630087d31c6b503140c5232c264115fc083a726f5ed70",
    ),
    (
        "worker/golden/user_ask.v1.jsonl",
        33,
        "f73e80b8e88985399833ff9ff18cc4df2aedf8c40759add024440773e8f648cb",
    ),
];

#[test]
fn released_lines_of_golden_files_never_change() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["core/golden", "worker/golden"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            found.push(format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    found.sort();
    let now: Vec<(String, usize, String)> = found
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(root.join(&file)).unwrap();
            let released = RELEASED.iter().find(|(name, ..)| *name == file);
            let lines = released.map_or(text.lines().count(), |(_, lines, _)| *lines);
            let kept: String = text.split_inclusive('\n').take(lines).collect();
            (file, kept.lines().count(), hex(&Sha256::digest(kept)))
        })
        .collect();
    let released: Vec<_> =
        RELEASED.iter().map(|(file, lines, hash)| ((*file).to_owned(), *lines, (*hash).to_owned())).collect();
    assert_eq!(now, released, "a new file is released with its lines and hash on the left");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
