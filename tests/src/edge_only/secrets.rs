//! Secrets in files and output.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::setup::{Runtime, Setup};
use crate::{
    check::{holds, same},
    leak::Forbidden,
    settings::Settings,
    subject::{CONFIG, LOG, PERSIST},
    world::{ADMIN_TOKEN, World},
    ws::{Handshake, Socket},
};

/// Has records.
const NUMBER: &str = "1000000000000021";
const WRONG: &str = "a wrong secret that somebody tried";

pub(super) async fn nothing_secret_is_left_on_disk_or_in_logs(setup: Setup) -> Result<String> {
    let settings = Settings {
        secret: Some("the secret of this one test, 32 bytes and more".to_owned()),
        previous_secrets: vec!["the secret that it had before that one".to_owned()],
        ..Settings::default()
    };
    let runtime = setup.start(&settings).await?;
    // A user is online at the moment of death, with a token in the attachment.
    let (tokens, _online) = traffic(&runtime).await?;
    let mut forbidden = runtime.forbidden();
    forbidden.text(WRONG);
    // Packed texts hide a token from a search for its characters.
    tokens.iter().flat_map(|token| packed(token)).for_each(|text| forbidden.text(&text));
    same(forbidden.token_count() > tokens.len(), true, "the administrator's token is among the forbidden")?;

    // While it runs, and in what a crash leaves: write-ahead logs that no orderly end took away.
    let alive = search(setup.home(), &forbidden)?;
    runtime.kill().await?;
    let dead = search(setup.home(), &forbidden)?;
    holds(dead.logs > 0, || "no output was searched".to_owned())?;
    holds(dead.with_user > 0, || {
        "no file under the persist folder names a user: was it searched?".to_owned()
    })?;
    Ok(format!(
        "{} tokens and {} other texts in {} + {} files ({} KB, {} write-ahead logs), 0 found",
        forbidden.token_count(),
        forbidden.text_count(),
        alive.files,
        dead.files,
        dead.bytes / 1000,
        dead.wals
    ))
}

/// Everything that carries a token or a secret: bodies, headers, URLs, packed parameters, refusals. Returns the
/// tokens, and sockets that are still connected.
async fn traffic(runtime: &Runtime) -> Result<(Vec<String>, Vec<Socket>)> {
    let world = runtime.world();
    let (mut tokens, mut online) = (Vec::new(), Vec::new());
    for user in [NUMBER.to_owned(), world.user("a")] {
        let (token, mut socket) = world.login(&user, 5).await?;
        let (other, mut second) = world.login(&user, 2).await?;
        let bundle = json!({
            "userID": user, "token": other, "platformID": 2, "operationID": "x", "sendResponse": true,
            "sdkType": "js",
        });
        let packed = URL_SAFE_NO_PAD.encode(bundle.to_string());
        let mut replacing = world.enter(&Handshake::empty().set("v", &packed)).await?;
        second.ended_silently().await?;
        world.status(&user).await?;
        world.details(&[user.as_str()]).await?;
        world.expect_verdict(&token, 0, "a token").await?;
        world.force_logout(&user, 5).await?;
        socket.kicked().await?;
        world.refused_both_ways(&Handshake::new(&user, 5, &token), 1506, "").await?;
        let (_, envelope) = world.refusal(&Handshake::new(&user, 3, &other)).await?;
        envelope.refusal(1502)?;
        replacing.send_text("no message at all").await?;
        replacing.closed(1002).await?;
        let (third, stays) = world.login(&user, 1).await?;
        online.push(stays);
        let forged = world.forged(&user, 5)?;
        world.refused_both_ways(&Handshake::new(&user, 5, &forged), 1507, "").await?;
        tokens.extend([token, other, third, forged]);
    }
    wrong_secret(&world).await?;
    Ok((tokens, online))
}

async fn wrong_secret(world: &World) -> Result<()> {
    let body = json!({"secret": WRONG, "userID": world.admin()?});
    let code = world.post(ADMIN_TOKEN, None, &body).await?.code()?;
    holds(code != 0, || "a wrong secret was accepted".to_owned())
}

/// A piece of the token as it looks inside base64, which depends on where in the packed text it begins.
fn packed(token: &str) -> Vec<String> {
    let mut all = Vec::new();
    for shift in 0..3 {
        let bytes = token.as_bytes().get(shift..).unwrap_or_default();
        let bytes = bytes.get(..bytes.len() / 3 * 3).unwrap_or_default();
        all.push(STANDARD_NO_PAD.encode(bytes));
        all.push(URL_SAFE_NO_PAD.encode(bytes));
    }
    all
}

#[derive(Default)]
struct Searched {
    files: usize,
    bytes: usize,
    wals: usize,
    logs: usize,
    with_user: usize,
}

/// Searches the raw bytes of every file in the folder but the tester's own configuration.
fn search(home: &Path, forbidden: &Forbidden) -> Result<Searched> {
    let mut searched = Searched::default();
    let mut found = Vec::new();
    for path in files(home)? {
        let name = path.strip_prefix(home)?.to_owned();
        if name == Path::new(CONFIG) {
            continue;
        }
        // Gone since the folder was listed: it holds nothing any more.
        let Ok(bytes) = fs::read(&path) else { continue };
        searched.files += 1;
        searched.bytes += bytes.len();
        searched.logs += usize::from(name == Path::new(LOG) && !bytes.is_empty());
        searched.wals += usize::from(name.to_string_lossy().ends_with("-wal"));
        let has_user = bytes.windows(NUMBER.len()).any(|window| window == NUMBER.as_bytes());
        searched.with_user += usize::from(name.starts_with(PERSIST) && has_user);
        if forbidden.matches(&bytes) {
            found.push(name.display().to_string());
        }
    }
    holds(found.is_empty(), || format!("a token or a secret is in {}", found.join(", ")))?;
    Ok(searched)
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry.with_context(|| format!("listing {}", folder.display()))?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => all.push(entry.path()),
                // A link leads to what is not the runtime's, a socket holds nothing.
                _ => {}
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(name: &str, bytes: &[u8]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("persist/v3")).unwrap();
        fs::write(home.path().join(name), bytes).unwrap();
        home
    }

    fn forbidden() -> (Forbidden, String) {
        let token = crate::vectors::load().unwrap().token("J2").unwrap();
        let mut forbidden = Forbidden::default();
        forbidden.token(&token);
        packed(&token).iter().for_each(|text| forbidden.text(text));
        (forbidden, token)
    }

    #[test]
    fn a_token_is_found_in_any_file_plain_and_packed_wherever_it_begins() {
        let (forbidden, token) = forbidden();
        let plain = format!("\0\x01{token}\0");
        let mut all = vec![plain];
        for before in ["", "x", "xy", "xyz"] {
            all.push(URL_SAFE_NO_PAD.encode(format!("{before}{token}\"}}")));
        }
        for text in all {
            let home = home("persist/v3/x.sqlite-wal", text.as_bytes());
            assert!(search(home.path(), &forbidden).is_err(), "{text}");
        }
    }

    #[test]
    fn what_holds_none_is_clean_and_counted_and_the_configuration_is_the_testers_own() {
        let (forbidden, token) = forbidden();
        let home = home("persist/v3/x.sqlite-wal", format!("\0{NUMBER}\0").as_bytes());
        fs::write(home.path().join(CONFIG), &token).unwrap();
        fs::write(home.path().join(LOG), "a line").unwrap();
        let searched = search(home.path(), &forbidden).unwrap();
        assert_eq!((searched.files, searched.wals, searched.logs, searched.with_user), (2, 1, 1, 1));
    }
}
