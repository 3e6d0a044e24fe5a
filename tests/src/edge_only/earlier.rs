//! Objects that an earlier program wrote.
//!
//! `tests/fixtures/edge-v8` has the storage of a worker whose tables are of version 8, and what it said of it. The worker of that time
//! wrote them, by `edge-only --edge-cmd "OLDER/target/debug/xtask edge dev --no-build" --only earlier_program --record`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};

use super::{
    moving::{self, NUMBER, Tokens, observe, populate},
    setup::{Runtime, Setup},
    variables::{SHARDS, TTL},
};
use crate::{
    check::{holds, same},
    settings::{MessageCenter, Settings},
    subject::PERSIST,
};

/// Longer than anybody keeps this test.
const DAYS: u32 = 36_500;
/// The number of shards that the earlier program laid the directory out with.
const LAID_OUT: u32 = 4;
const KEPT: &str = "kept.json";

/// What the earlier program issued and said.
#[derive(Serialize, Deserialize)]
struct Kept {
    tokens: Tokens,
    seen: Vec<String>,
}

fn settings() -> Settings {
    let message_center = MessageCenter { retention_days: DAYS.into(), ..MessageCenter::default() };
    Settings { message_center, ..moving::settings() }
}

fn fixture() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/edge-v8"))
}

pub(super) async fn objects_of_an_earlier_program_open_as_they_were(setup: Setup) -> Result<String> {
    let setup = setup.with(TTL, DAYS);
    let storage = setup.home().join(PERSIST);
    if setup.records() {
        let runtime = start(&setup.clone().with(SHARDS, LAID_OUT)).await?;
        let mut tokens = populate(&runtime.world()).await?;
        // It ends a day later.
        tokens.retain(|(what, _)| what != "never issued");
        let seen = observe(&runtime.world(), &tokens).await?;
        runtime.stop().await?;
        let files = keep(&storage, &fixture())?;
        fs::write(fixture().join(KEPT), serde_json::to_string_pretty(&Kept { tokens, seen })?)?;
        return Ok(format!("kept {files} files"));
    }
    let files = unpack(&fixture(), &storage)?;
    let kept: Kept = serde_json::from_str(&fs::read_to_string(fixture().join(KEPT))?)?;
    let setup = setup.with(SHARDS, LAID_OUT * 2);
    // The second start finds them as the first one left them.
    for started in ["first", "second"] {
        let runtime = start(&setup).await?;
        same(&observe(&runtime.world(), &kept.tokens).await?, &kept.seen, started)?;
        runtime.stop().await?;
    }
    // They go on: a token of then opens a connection, and its successor's login is one more.
    let runtime = start(&setup).await?;
    let world = runtime.world();
    let valid = kept.tokens.iter().find(|(what, _)| what == "valid").context("no token")?;
    let socket = world.open(NUMBER, 5, &valid.1).await?;
    same(world.platforms(NUMBER).await?, vec![5], "platforms online")?;
    socket.close().await?;
    world.force_logout(NUMBER, 5).await?;
    world.expect_verdict(&valid.1, 1506, "a token of then after an order of now").await?;
    runtime.stop().await?;
    Ok(format!("{files} files, {} tokens", kept.tokens.len()))
}

async fn start(setup: &Setup) -> Result<Runtime> {
    setup.start(&settings()).await
}

/// Compresses every file of a folder into another one. Returns their number.
fn keep(from: &Path, to: &Path) -> Result<usize> {
    each_file(from, &mut |file| {
        let kept = to.join(format!("{}.gz", file.strip_prefix(from)?.display()));
        fs::create_dir_all(kept.parent().context("no folder")?)?;
        let mut packed = GzEncoder::new(File::create(kept)?, Compression::best());
        io::copy(&mut File::open(file)?, &mut packed)?;
        packed.finish()?;
        Ok(())
    })
}

/// Restores what [`keep`] compressed. Returns the number of files.
fn unpack(from: &Path, to: &Path) -> Result<usize> {
    let mut unpacked = 0;
    each_file(from, &mut |file| {
        let Some(name) = file.strip_prefix(from)?.to_str().and_then(|name| name.strip_suffix(".gz")) else {
            return Ok(());
        };
        let restored = to.join(name);
        fs::create_dir_all(restored.parent().context("no folder")?)?;
        io::copy(&mut GzDecoder::new(File::open(file)?), &mut File::create(restored)?)?;
        unpacked += 1;
        Ok(())
    })?;
    holds(unpacked > 0, || format!("nothing in {}", from.display()))?;
    Ok(unpacked)
}

fn each_file(folder: &Path, act: &mut dyn FnMut(&Path) -> Result<()>) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files += each_file(&path, act)?;
        } else {
            act(&path)?;
            files += 1;
        }
    }
    Ok(files)
}
