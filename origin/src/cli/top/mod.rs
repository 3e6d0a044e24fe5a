//! `rollcall top`: what a server does now, from its metrics.

mod scrape;
mod screen;
mod view;

use std::{
    io::{IsTerminal as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread::sleep,
    time::Duration,
};

use anyhow::bail;
use clap::Args;
use rollcall_core::config::Settings;

use self::{
    scrape::{Scrape, Source},
    view::View,
};
use super::{
    exit::{self, CliError},
    output::{print_json, print_line, sanitize},
};

const EXAMPLES: &str = "\
Examples:
  rollcall top
  rollcall top --metrics http://10.0.0.7:10003/metrics --every 5
  rollcall top --once
  rollcall top --once --json | jq .users_online
  rollcall top --json --every 10 >> load.ndjson     until it is stopped

The server must have server.metrics_listen. Rates and times are those since the last look, --every seconds before; --once looks
twice, that long apart, and prints once. Where stdout is no terminal, one view follows the other.

--json prints one document a line, every --every seconds until it is stopped; with --once one document. A document is
{\"users_online\":3,\"connections\":[{\"platform\":\"Web\",\"protocol\":\"json\",\"count\":3}],
\"tcp_connections\":5,\"per_second\":{\"connects\":{\"json\":1.5},\"closes\":{},\"kicks\":{},\"refused\":{},\"dropped\":0.0},
\"requests\":[{\"route\":\"/health\",\"per_second\":0.5,\"failed_per_second\":0.0,\"p50_seconds\":0.0002,\"p99_seconds\":0.0002}],
\"store\":{\"per_second\":3.0,\"p50_seconds\":0.002,\"p99_seconds\":0.009,\"queue\":0,\"failures\":0},\"panics\":0}.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Top {
    /// Where its metrics are; without it those of server.metrics_listen
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Print one view and end; without it views follow until it is stopped
    #[arg(long)]
    once: bool,
    /// Print JSON, one document a line for each view
    #[arg(long)]
    json: bool,
}

pub(super) fn top(settings: &Settings, args: &Top) -> anyhow::Result<()> {
    let source = Source::new(&url(settings, args.metrics.as_deref())?);
    let every = Duration::from_secs(args.every);
    let live = !args.once && !args.json && std::io::stdout().is_terminal();
    let mut before: Option<Scrape> = None;
    loop {
        match source.scrape() {
            Ok(now) => {
                // Where it cannot be written over, a view without rates would be in the way.
                if live || before.is_some() {
                    show(args, &source, &View::of(before.as_ref(), &now), live)?;
                    if args.once {
                        return Ok(());
                    }
                }
                before = Some(now);
            }
            // A server that is watched while it starts again is there soon.
            Err(error) if live => draw(&[sanitize(&format!("{error:#}"), None)])?,
            Err(error) => return Err(error),
        }
        sleep(every);
    }
}

fn show(args: &Top, source: &Source, view: &View, live: bool) -> anyhow::Result<()> {
    if args.json {
        return Ok(print_json(&screen::document(view))?);
    }
    let size = live.then(size).flatten();
    let lines = screen::lines(view, source.url(), size.map(|(columns, _)| columns));
    if live {
        let rows = size.map_or(usize::MAX, |(_, rows)| usize::from(rows).saturating_sub(1).max(1));
        let shown = lines.get(..rows.min(lines.len())).unwrap_or_default();
        return Ok(draw(shown)?);
    }
    lines.iter().try_for_each(|line| print_line(line))?;
    if !args.once {
        print_line("")?;
    }
    Ok(())
}

/// Writes over what the terminal shows, line by line, so that it does not flicker.
fn draw(lines: &[String]) -> std::io::Result<()> {
    const HOME: &str = "\x1b[H";
    const REST_OF_LINE: &str = "\x1b[K";
    const REST_OF_SCREEN: &str = "\x1b[J";
    let mut out = std::io::stdout().lock();
    write!(out, "{HOME}")?;
    for line in lines {
        writeln!(out, "{line}{REST_OF_LINE}")?;
    }
    write!(out, "{REST_OF_SCREEN}")?;
    out.flush()
}

/// Columns and rows of the terminal that is stdout.
fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Where to look.
fn url(settings: &Settings, named: Option<&str>) -> anyhow::Result<String> {
    if let Some(url) = named {
        let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        else {
            bail!(CliError::Usage(format!("{url:?} is no address of metrics: expected http://…/metrics")));
        };
        let has_path = rest.split_once('/').is_some_and(|(_, path)| !path.is_empty());
        return Ok(if has_path { url.to_owned() } else { format!("{}/metrics", url.trim_end_matches('/')) });
    }
    let configured = settings.server.metrics_listen.as_deref();
    let listen: Option<SocketAddr> = configured.and_then(|listen| listen.parse().ok());
    match listen.filter(|listen| listen.port() != 0) {
        Some(listen) => Ok(format!("http://{}/metrics", reachable(listen))),
        None => bail!(CliError::Usage(
            "no metrics are named: set server.metrics_listen of the server, or say --metrics URL".to_owned()
        )),
    }
}

/// Who listens everywhere is also here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let here: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(here, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_looked_for_where_they_are_named_else_where_the_configuration_has_them() {
        let mut settings = Settings::default();
        assert!(url(&settings, None).unwrap_err().to_string().contains("server.metrics_listen"));
        for (listen, expected) in [
            ("10.0.0.7:9", "http://10.0.0.7:9/metrics"),
            ("0.0.0.0:9", "http://127.0.0.1:9/metrics"),
            ("[::]:9", "http://[::1]:9/metrics"),
        ] {
            settings.server.metrics_listen = Some(listen.to_owned());
            assert_eq!(url(&settings, None).unwrap(), expected);
        }
        for (named, expected) in [
            ("http://a:9", "http://a:9/metrics"),
            ("https://a/", "https://a/metrics"),
            ("http://a/behind/metrics", "http://a/behind/metrics"),
        ] {
            assert_eq!(url(&settings, Some(named)).unwrap(), expected);
        }
        assert!(url(&settings, Some("127.0.0.1:9")).is_err());
    }
}
