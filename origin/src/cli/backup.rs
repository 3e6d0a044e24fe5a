//! `rollcall backup`

use std::{fs, path::Path, path::PathBuf};

use anyhow::ensure;
use clap::Args;
use rollcall_core::config::Settings;
use rollcall_origin::store;

use super::output::print_line;

#[derive(Args)]
#[command(after_long_help = "\
Examples:
  rollcall backup /backup/rollcall-$(date +%F).sqlite3

The copy is one consistent state: all that was answered before the command began is in it. It holds users' tokens, and can be
read by its owner only. The secret is not in it: without auth.secret, keep a copy of data/secret beside it, or every token is
refused after a restore. How to restore: docs/operating.md.")]
pub(crate) struct Backup {
    /// Where to; must not exist yet
    file: PathBuf,
}

pub(super) fn back_up(settings: &Settings, args: &Backup) -> anyhow::Result<()> {
    ensure!(
        settings.store.url.is_none(),
        "the store is PostgreSQL (store.url): back it up with pg_dump, or by continuous archiving"
    );
    store::back_up(Path::new(&settings.server.data_dir), &args.file)?;
    let bytes = fs::metadata(&args.file)?.len();
    Ok(print_line(&format!("{}: {bytes} bytes", args.file.display()))?)
}
