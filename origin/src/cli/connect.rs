//! `rollcall connect`: a client like the published JavaScript SDK, for trying things out.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use rollcall_core::{
    gateway::{PING, PONG},
    platform::Platform,
};
use tokio::time::interval;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::{client::URL_VARIABLE, output::print_line, platform};

/// How often the published client pings.
const PING_EVERY: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct Connect {
    /// The server
    #[arg(long, env = URL_VARIABLE, default_value = "http://127.0.0.1:10002", value_name = "URL")]
    url: String,
    /// Who connects
    #[arg(long)]
    user_id: String,
    /// On which platform, by number or name
    #[arg(long, value_parser = platform::parse)]
    platform: Platform,
    /// A token of that user and platform
    #[arg(long)]
    token: String,
}

pub(super) fn connect(client: &Connect) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(converse(client))
}

/// Prints a line for every message and for the close, and stays connected until then.
async fn converse(client: &Connect) -> anyhow::Result<()> {
    let Connect { url, user_id, platform, token } = client;
    let gateway = url.replacen("http", "ws", 1);
    let address = format!(
        "{gateway}/?sendID={user_id}&token={token}&platformID={platform}&operationID=rollcall-connect\
         &isBackground=false&isMsgResp=true&sdkType=js"
    );
    let (mut socket, _) = connect_async(address).await.with_context(|| format!("cannot connect to {url}"))?;
    let mut pings = interval(PING_EVERY);
    pings.tick().await;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = pings.tick() => {
                socket.send(Message::text(PING)).await?;
                continue;
            }
        };
        match message {
            Some(Ok(Message::Text(text))) if text.as_str() == PONG => {}
            Some(Ok(Message::Text(text))) => print_line(&format!("text {text}"))?,
            Some(Ok(Message::Binary(bytes))) => {
                print_line(&format!("binary {}", String::from_utf8_lossy(&bytes)))?
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                return Ok(print_line(&format!("close {} {}", frame.code, frame.reason))?);
            }
            Some(Ok(Message::Close(None))) | None => return Ok(print_line("close")?),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
}
