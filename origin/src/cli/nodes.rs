//! `rollcall nodes`: the processes of the store.

use anyhow::Context as _;
use clap::Args;
use rollcall_core::{config::Settings, time::Timestamp};
use rollcall_origin::store::{self, Node, NodeState};
use serde_json::json;

use super::{
    output::{print_json, print_line},
    table::Table,
};

const TITLES: [&str; 7] = ["NODE", "NAME", "STATE", "BEAT", "SOCKETS", "LAG", "VERSION"];

const HELP: &str = "\
Asks the database of store.url itself, whether a server runs or not.
  STATE    serving; silent when it has given no sign of life for its cluster.lease_seconds; dead when another one has said so, and left
           after a stop. One that is gone is listed for an hour, if another one serves
  BEAT     the number of its last sign of life
  SOCKETS  open ones at that
  LAG      seconds since, by the database's clock

--json prints {\"nodes\":[{\"id\":\"…\",\"name\":\"…\",\"state\":\"…\",\"beat\":N,\"sockets\":N,\"lagSeconds\":N,\"version\":\"…\"},…]}.";

#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Nodes {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn nodes(settings: &Settings, args: &Nodes) -> anyhow::Result<()> {
    let url =
        settings.store.url.as_ref().context("store.url is not set: the embedded store has one server")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (now, nodes) = runtime.block_on(store::nodes(url, &settings.store)).context("store.url")?;
    let lag = |node: &Node| now.since(node.alive_at).as_secs();
    if args.json {
        let all = nodes.iter().map(|node| {
            json!({
                "id": node.id.to_string(), "name": node.name, "state": state(node, now), "beat": node.beat,
                "sockets": node.sockets, "lagSeconds": lag(node), "version": node.version,
            })
        });
        return Ok(print_json(&json!({ "nodes": all.collect::<Vec<_>>() }))?);
    }
    if nodes.is_empty() {
        return Ok(print_line("no server has used this store")?);
    }
    let mut table = Table::of(&TITLES);
    for node in &nodes {
        let id = node.id.to_string();
        let (beat, sockets, lag) = (node.beat.to_string(), node.sockets.to_string(), lag(node).to_string());
        table.row([&id, &node.name, state(node, now), &beat, &sockets, &lag, &node.version]);
    }
    Ok(table.print()?)
}

fn state(node: &Node, now: Timestamp) -> &'static str {
    match node.state {
        NodeState::Serving if now.since(node.alive_at) >= node.lease => "silent",
        NodeState::Serving => "serving",
        NodeState::Dead => "dead",
        NodeState::Left => "left",
    }
}
