//! Sockets that outlive the code that accepted them, as they do in a deploy: what other code of this version has left on them is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{probe, setup::Setup};
use crate::{
    check::{holds, same},
    console::api::Api,
    profile::Profile,
    world::World,
};

const CLIENT: &str = "1000000000000106";

/// What code has left on sockets, by kind, one of each form.
pub(super) struct Forms {
    clients: Vec<String>,
    consoles: Vec<String>,
}

impl Forms {
    /// Reads the files of a worker's `golden`.
    pub(super) fn read(golden: &Path) -> Result<Self> {
        let mut forms = BTreeMap::new();
        for entry in fs::read_dir(golden).with_context(|| golden.display().to_string())? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"attachment.")) {
                for line in fs::read_to_string(&path)?.lines() {
                    let mut kept: Value = serde_json::from_str(line)?;
                    // A line of what earlier code has left tells how it is read, too.
                    if let Some(earlier) = kept.get_mut("kept") {
                        kept = earlier.take();
                    }
                    forms.insert(members(&kept), kept);
                }
            }
        }
        let of = |kind: &str| {
            let is_it = |form: &&Value| form.pointer(&format!("/body/{kind}")).is_some();
            forms.values().filter(is_it).map(Value::to_string).collect::<Vec<_>>()
        };
        let read = Self { clients: of("Live"), consoles: of("Console") };
        if read.clients.is_empty() || read.consoles.is_empty() {
            bail!("no forms in {}", golden.display());
        }
        Ok(read)
    }
}

/// The names of all members.
fn members(value: &Value) -> BTreeSet<String> {
    let Value::Object(own) = value else { return BTreeSet::new() };
    let of = |(name, value): (&String, &Value)| {
        let inner = members(value).into_iter().map(|inner| format!("{name}/{inner}")).collect::<Vec<_>>();
        std::iter::once(name.clone()).chain(inner).collect::<Vec<_>>()
    };
    own.iter().flat_map(of).collect()
}

pub(super) async fn sockets_that_earlier_code_has_left_stay_and_hear_of_orders(
    setup: Setup,
) -> Result<String> {
    let golden = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/golden"));
    stay(&setup, &Forms::read(&golden)?).await
}

/// A client and a console stay connected while code after code leaves its forms on their sockets.
pub(super) async fn stay(setup: &Setup, forms: &Forms) -> Result<String> {
    let runtime = setup.start(&Profile::Console.settings()).await?;
    let world = runtime.world();
    let api = Api::without_fixture(&world)?;
    let number = api.fixture().user(101);
    let console = number.to_string();
    let mut of_console = world.upgraded(&api.handshake("user-101", "d")).await?;
    let (_, mut of_client) = world.login(CLIENT, 5).await?;
    let rounds = forms.clients.len().max(forms.consoles.len());
    for round in 0..rounds {
        for (user, forms) in [(CLIENT, &forms.clients), (console.as_str(), &forms.consoles)] {
            let form = forms.iter().cycle().nth(round).context("no form")?;
            same(probe::reshape(&world, user, form).await?, 1, form)?;
        }
        renew(&world).await?;
        same(world.platforms(CLIENT).await?, vec![5], "platforms online")?;
        of_client.alive().await?;
        // The runtime answers the constant ping by itself, and this one by the code.
        let body = json!({"type": "ping", "body": round});
        of_console.send_text(&body.to_string()).await?;
        let pong: Value = serde_json::from_str(&of_console.text().await?)?;
        same(pong, json!({"type": "pong", "body": round}), "the pong of the console")?;
        for user in [CLIENT, console.as_str()] {
            let records = probe::own_records(&world, user).await?;
            holds(records.len() == 1 && records.iter().all(|record| record.ended_at.is_none()), || {
                format!("{records:?}")
            })?;
        }
    }
    world.force_logout(CLIENT, 5).await?;
    of_client.kicked().await?;
    api.take_off("admin-t1", "USER", &[number]).await?;
    api.forced_off(&mut of_console, "USER", &[number]).await?;
    runtime.stop().await?;
    Ok(format!("{} forms of clients and {} of consoles", forms.clients.len(), forms.consoles.len()))
}

/// A panic takes every instance along and leaves the sockets, as new code does.
async fn renew(world: &World) -> Result<()> {
    world.status(CLIENT).await?;
    let before = probe::look(world, CLIENT).await?.read;
    probe::panic(world, CLIENT).await?;
    let is_new = || async { Ok(probe::look(world, CLIENT).await.is_ok_and(|seen| seen.read < before)) };
    world.eventually("a new memory", is_new, &true).await
}
