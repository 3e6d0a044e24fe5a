//! `rollcall completions`

use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Args)]
#[command(after_long_help = "\
Examples:
  rollcall completions bash > ~/.local/share/bash-completion/completions/rollcall
  rollcall completions zsh > ~/.zfunc/_rollcall          with ~/.zfunc in $fpath before compinit
  rollcall completions fish > ~/.config/fish/completions/rollcall.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script that completes `command`.
pub(super) fn completions(args: &Completions, command: &mut Command) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "rollcall", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
