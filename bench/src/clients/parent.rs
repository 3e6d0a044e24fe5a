//! The parent's side: clients by number, across their processes.

use std::{ops::Range, process::Stdio};

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::command::{ClientCommand, ClientReply, Closes, Endpoint, Heartbeat, Opened};

/// Clients of one process; below the 20,000 descriptors that it may have.
const EACH: usize = 18_000;

/// Clients, numbered from 0.
pub(crate) struct LoadClients {
    processes: Vec<Process>,
    size: usize,
}

struct Process {
    /// Killed when dropped.
    _child: Child,
    commands: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
}

impl LoadClients {
    /// Starts as many processes as these clients need. None is connected yet.
    pub(crate) async fn new(endpoints: Vec<Endpoint>) -> Result<Self> {
        let size = endpoints.len();
        let mut processes = Vec::new();
        for (index, share) in endpoints.chunks(EACH).enumerate() {
            let mut process = Process::start(u8::try_from(index + 1)?).await?;
            process.command(&ClientCommand::Add(share.to_vec())).await?;
            processes.push(process);
        }
        Ok(Self { processes, size })
    }

    /// Every client.
    pub(crate) fn all(&self) -> Range<usize> {
        0..self.size
    }

    /// Connects the unconnected clients of a range, `at_once` at a time.
    pub(crate) async fn open(&mut self, range: Range<usize>, at_once: usize) -> Result<Opened> {
        let processes = self.processes.len().max(1);
        let replies = self
            .each(range, |range| ClientCommand::Open { range, at_once: at_once.div_ceil(processes) })
            .await?;
        Ok(replies.into_iter().fold(Opened::default(), |sum, reply| match reply {
            ClientReply::Opened(opened) => sum.merge(opened),
            _ => sum,
        }))
    }

    /// Connects, and fails if any client could not connect.
    pub(crate) async fn open_all(&mut self, range: Range<usize>, at_once: usize) -> Result<Opened> {
        let opened = self.open(range, at_once).await?;
        if opened.failures() > 0 {
            bail!("clients could not connect: {:?}", opened.failed);
        }
        Ok(opened)
    }

    /// Ends connections by a reset.
    pub(crate) async fn reset(&mut self, range: Range<usize>) -> Result<()> {
        self.each(range, |range| ClientCommand::Drop { range, reset: true }).await.map(drop)
    }

    /// Ends connections by Close frames and waits for the server's.
    pub(crate) async fn close(&mut self, range: Range<usize>) -> Result<()> {
        self.each(range, |range| ClientCommand::Drop { range, reset: false }).await.map(drop)
    }

    /// Waits until the server has closed all of these, at most `seconds`.
    pub(crate) async fn closes(&mut self, range: Range<usize>, seconds: u64) -> Result<Closes> {
        let replies = self.each(range, |range| ClientCommand::AwaitCloses { range, seconds }).await?;
        Ok(replies.into_iter().fold(Closes::default(), |sum, reply| match reply {
            ClientReply::Closes(closes) => sum.merge(closes),
            _ => sum,
        }))
    }

    /// Makes every connected client send a heartbeat once in `every_seconds`.
    pub(crate) async fn set_heartbeat(&mut self, every_seconds: u64, how: Heartbeat) -> Result<()> {
        self.each(self.all(), |_| ClientCommand::Heartbeat { every_seconds, how }).await.map(drop)
    }

    /// The number of connected clients.
    pub(crate) async fn live(&mut self) -> Result<usize> {
        let replies = self.each(self.all(), |_| ClientCommand::Live).await?;
        Ok(replies.iter().map(|reply| if let ClientReply::Live(live) = reply { *live } else { 0 }).sum())
    }

    /// Sends its part of a command to every process with clients of `range`, concurrently.
    async fn each(
        &mut self,
        range: Range<usize>,
        command: impl Fn(Range<usize>) -> ClientCommand,
    ) -> Result<Vec<ClientReply>> {
        let parts = self.processes.iter_mut().enumerate().filter_map(|(index, process)| {
            let first = index * EACH;
            let part = range.start.max(first)..range.end.min(first + EACH);
            let own = part.start.checked_sub(first)?..part.end.checked_sub(first)?;
            (!own.is_empty()).then(|| (process, command(own)))
        });
        try_join_all(parts.map(|(process, command)| async move { process.command(&command).await })).await
    }
}

impl Process {
    async fn start(number: u8) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("clients")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the clients cannot be started")?;
        let (Some(mut commands), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the clients have no pipes");
        };
        commands.write_all(format!("{number}\n").as_bytes()).await?;
        Ok(Self { _child: child, commands, replies: BufReader::new(replies).lines() })
    }

    async fn command(&mut self, command: &ClientCommand) -> Result<ClientReply> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.commands.write_all(&line).await?;
        self.commands.flush().await?;
        let reply = self.replies.next_line().await?.context("the process of clients is gone")?;
        Ok(serde_json::from_str(&reply)?)
    }
}
