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
    directory::get,
    moving::{self, NUMBER, Tokens, observe, populate},
    setup::{Runtime, Setup},
    sockets::{self, Forms},
    variables::{SHARDS, TTL},
};
use crate::{
    check::{holds, same},
    console::api::LIST,
    settings::{MessageCenter, Settings},
    subject::PERSIST,
};

/// Longer than anybody keeps this test.
const DAYS: u32 = 36_500;
/// The number of shards that the earlier program laid the directory out with.
const LAID_OUT: u32 = 4;
const KEPT: &str = "kept.json";
/// A user whose record shards of the version before are told of.
const PUBLISHED: &str = "1000000000000041";

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
    go_on(&setup, &kept.tokens).await?;
    Ok(format!("{files} files, {} tokens", kept.tokens.len()))
}

/// The present worker is deployed over that of the version before. First the shards of its directory run the code of before, as they do
/// until they hibernate.
pub(super) async fn a_deploy_over_the_version_before_loses_nothing(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, LAID_OUT);
    let before = setup.clone().with_earlier("--from")?;
    let runtime = start(&before).await?;
    let tokens = populate(&runtime.world()).await?;
    let seen = observe(&runtime.world(), &tokens).await?;
    runtime.stop().await?;

    let under_way = setup.clone().with_earlier("--shards-from")?;
    let runtime = start(&under_way).await?;
    same(&observe(&runtime.world(), &tokens).await?, &seen, "with the shards of the version before")?;
    // What is published to them is in their lists.
    let world = runtime.world();
    let (_, socket) = world.login(PUBLISHED, 5).await?;
    let online = || async {
        let shown = get(&world, &format!("{LIST}/{PUBLISHED}")).await?;
        Ok(shown.pointer("/data/online").cloned())
    };
    world.eventually("online, in the detail", online, &Some(true.into())).await?;
    world.force_logout(PUBLISHED, 5).await?;
    same(online().await?, Some(false.into()), "online, in the detail after an order")?;
    drop(socket);
    let seen = observe(&world, &tokens).await?;
    runtime.stop().await?;

    let runtime = start(&setup).await?;
    same(&observe(&runtime.world(), &tokens).await?, &seen, "with shards that were brought forward")?;
    runtime.stop().await?;
    go_on(&setup, &tokens).await?;
    // Local sockets end with their runtime. So those of the present one get what the version before left on its own.
    let sockets = sockets::stay(&setup, &Forms::read(&setup.earlier_golden()?)?).await?;
    Ok(format!("{} tokens, and what they said, from one version to the next; {sockets}", tokens.len()))
}

/// A token of then opens a connection, and an order of now reaches it.
async fn go_on(setup: &Setup, tokens: &Tokens) -> Result<()> {
    let runtime = start(setup).await?;
    let world = runtime.world();
    let (_, valid) = tokens.iter().find(|(what, _)| what == "valid").context("no token")?;
    let socket = world.open(NUMBER, 5, valid).await?;
    same(world.platforms(NUMBER).await?, vec![5], "platforms online")?;
    socket.close().await?;
    world.force_logout(NUMBER, 5).await?;
    world.expect_verdict(valid, 1506, "a token of then after an order of now").await?;
    runtime.stop().await
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
