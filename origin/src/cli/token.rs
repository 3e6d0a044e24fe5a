//! `rollcall token`: through the server that has the data directory, else in the store itself.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use rollcall_core::{
    config::Settings, deny, id::UserId, platform::Platform, secret::Secret, user::request::IssueToken,
};
use rollcall_origin::{
    configuration,
    data_dir::{DataDir, InUse, read_secret, secret_path},
    server,
};
use serde_json::{Value, json};

use super::{
    client::{Server, ServerArgs, text},
    output::print_line,
    platform,
};

#[derive(Args)]
pub(crate) struct Token {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    whose: Whose,
}

#[derive(Subcommand)]
enum Whose {
    /// A token for the REST API's administrator
    Admin {
        /// One of auth.admin_user_ids; the first one if left out
        #[arg(long)]
        user_id: Option<String>,
    },
    /// A token for a user's client
    User {
        /// Whose
        #[arg(long)]
        user_id: String,
        /// 1 IOS, 2 Android, 3 Windows, 4 OSX, 5 Web, 6 MiniWeb, 7 Linux, 8 APad, 9 IPad, 11 HarmonyOS; by number or name
        #[arg(long, value_parser = platform::parse)]
        platform: Platform,
    },
}

pub(super) fn make(settings: &Settings, token: &Token) -> anyhow::Result<()> {
    let (user, platform) = whose(settings, &token.whose)?;
    let data_dir = Path::new(&settings.server.data_dir);
    let made = if token.server.has_url() {
        through_server(settings, data_dir, token.server.server(settings)?, &user, platform)?
    } else {
        match DataDir::lock(data_dir) {
            Ok(data_dir) => in_store(settings.clone(), data_dir, &user, platform)?,
            Err(error) => {
                let server = token.server.local(error.downcast::<InUse>()?)?;
                through_server(settings, data_dir, server, &user, platform)?
            }
        }
    };
    Ok(print_line(made.expose())?)
}

fn whose(settings: &Settings, token: &Whose) -> anyhow::Result<(UserId, Platform)> {
    match token {
        Whose::Admin { user_id } => {
            let first = settings.auth.admin_user_ids.first();
            let user =
                UserId::new(user_id.as_ref().or(first).context("auth.admin_user_ids is empty")?.as_str())?;
            if !settings.is_admin(&user) {
                bail!("{user} is not one of auth.admin_user_ids");
            }
            Ok((user, Platform::Admin))
        }
        Whose::User { user_id, platform } => {
            let user = UserId::new(user_id.as_str()).context("--user-id")?;
            if settings.is_admin(&user) {
                bail!("{user} is an administrator; use: rollcall token admin --user-id {user}");
            }
            if *platform == Platform::Admin {
                bail!("--platform: expected 1 to 9, or 11");
            }
            Ok((user, *platform))
        }
    }
}

/// Issues the token in the store, which no server uses.
fn in_store(
    mut settings: Settings,
    data_dir: DataDir,
    user: &UserId,
    platform: Platform,
) -> anyhow::Result<Secret<String>> {
    configuration::complete_secret(&mut settings, &data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let users = server::open(settings, data_dir.path()).await?;
        let issued = users.run(user, IssueToken { platform }).await?;
        users.store().close().await;
        users.store().leave().await;
        let issued = issued.map_err(|until| anyhow!("the user {user} is {}", deny::told(until)))?;
        Ok(issued.token)
    })
}

/// Asks the server that uses the store, over its public API.
fn through_server(
    settings: &Settings,
    data_dir: &Path,
    server: Server,
    user: &UserId,
    platform: Platform,
) -> anyhow::Result<Secret<String>> {
    let secret = match &settings.auth.secret {
        Some(secret) => secret.clone(),
        None => read_secret(&secret_path(data_dir))?.context(
            "the server's secret is not known here; set auth.secret (ROLLCALL__AUTH__SECRET) as it does",
        )?,
    };
    let admin = match platform {
        Platform::Admin => user.as_str(),
        _ => settings.auth.admin_user_ids.first().context("auth.admin_user_ids is empty")?,
    };
    let body = json!({"secret": secret.expose(), "userID": admin});
    let admin_token = issued(&server.openim("/auth/get_admin_token", &body)?)?;
    if platform == Platform::Admin {
        return Ok(admin_token);
    }
    let body = json!({"userID": user.as_str(), "platformID": platform.number()});
    issued(&server.with_token(admin_token).openim("/auth/get_user_token", &body)?)
}

/// A token of the first administrator, issued by a running server.
pub(super) fn of_administrator(settings: &Settings, server: Server) -> anyhow::Result<Secret<String>> {
    let (user, platform) = whose(settings, &Whose::Admin { user_id: None })?;
    through_server(settings, Path::new(&settings.server.data_dir), server, &user, platform)
}

fn issued(data: &Value) -> anyhow::Result<Secret<String>> {
    Ok(Secret::from(text(data, "token").context("the answer holds no token")?))
}
