//! `rollcall completions`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;

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

pub(super) fn completions(asked: &Completions) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, &mut Cli::command(), "rollcall", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
