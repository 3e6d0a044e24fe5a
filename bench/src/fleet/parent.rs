//! The parent's side: clients by number, whichever process has them.

use std::{ops::Range, process::Stdio};

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::order::{Beat, Closes, Door, Opened, Order, Report};

/// Clients of one process; below the 20,000 descriptors that it may have.
const EACH: usize = 18_000;

/// Clients, numbered from 0.
pub(crate) struct Fleet {
    processes: Vec<Process>,
    size: usize,
}

struct Process {
    /// Killed when dropped.
    _child: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Fleet {
    /// Starts as many processes as these clients need. None is connected yet.
    pub(crate) async fn new(doors: Vec<Door>) -> Result<Self> {
        let size = doors.len();
        let mut processes = Vec::new();
        for (index, share) in doors.chunks(EACH).enumerate() {
            let mut process = Process::start(u8::try_from(index + 1)?).await?;
            process.order(&Order::Add(share.to_vec())).await?;
            processes.push(process);
        }
        Ok(Self { processes, size })
    }

    /// Every client.
    pub(crate) fn all(&self) -> Range<usize> {
        0..self.size
    }

    /// Connects, so many at a time.
    pub(crate) async fn open(&mut self, range: Range<usize>, at_once: usize) -> Result<Opened> {
        let processes = self.processes.len().max(1);
        let reports =
            self.each(range, |range| Order::Open { range, at_once: at_once.div_ceil(processes) }).await?;
        Ok(reports.into_iter().fold(Opened::default(), |sum, report| match report {
            Report::Opened(opened) => sum.merge(opened),
            _ => sum,
        }))
    }

    /// Connects, and fails unless everybody is connected afterwards.
    pub(crate) async fn open_all(&mut self, range: Range<usize>, at_once: usize) -> Result<Opened> {
        let opened = self.open(range, at_once).await?;
        if opened.failures() > 0 {
            bail!("clients could not connect: {:?}", opened.failed);
        }
        Ok(opened)
    }

    /// Ends connections by a reset.
    pub(crate) async fn reset(&mut self, range: Range<usize>) -> Result<()> {
        self.each(range, |range| Order::Drop { range, reset: true }).await.map(drop)
    }

    /// Ends connections by Close frames and waits for the server's.
    pub(crate) async fn close(&mut self, range: Range<usize>) -> Result<()> {
        self.each(range, |range| Order::Drop { range, reset: false }).await.map(drop)
    }

    /// Waits until the server has closed all of these.
    pub(crate) async fn closes(&mut self, range: Range<usize>, seconds: u64) -> Result<Closes> {
        let reports = self.each(range, |range| Order::AwaitCloses { range, seconds }).await?;
        Ok(reports.into_iter().fold(Closes::default(), |sum, report| match report {
            Report::Closes(closes) => sum.merge(closes),
            _ => sum,
        }))
    }

    /// Lets every connected client send a sign of life once in so many seconds.
    pub(crate) async fn beat(&mut self, every_seconds: u64, how: Beat) -> Result<()> {
        self.each(self.all(), |_| Order::Beat { every_seconds, how }).await.map(drop)
    }

    /// How many are connected.
    pub(crate) async fn live(&mut self) -> Result<usize> {
        let reports = self.each(self.all(), |_| Order::Live).await?;
        Ok(reports.iter().map(|report| if let Report::Live(live) = report { *live } else { 0 }).sum())
    }

    /// Gives every process that has clients of `range` its part of an order, all at the same time.
    async fn each(
        &mut self,
        range: Range<usize>,
        order: impl Fn(Range<usize>) -> Order,
    ) -> Result<Vec<Report>> {
        let parts = self.processes.iter_mut().enumerate().filter_map(|(index, process)| {
            let first = index * EACH;
            let part = range.start.max(first)..range.end.min(first + EACH);
            let own = part.start.checked_sub(first)?..part.end.checked_sub(first)?;
            (!own.is_empty()).then(|| (process, order(own)))
        });
        try_join_all(parts.map(|(process, order)| async move { process.order(&order).await })).await
    }
}

impl Process {
    async fn start(number: u8) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("fleet")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the clients cannot be started")?;
        let (Some(mut orders), Some(reports)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the clients have no pipes");
        };
        orders.write_all(format!("{number}\n").as_bytes()).await?;
        Ok(Self { _child: child, orders, reports: BufReader::new(reports).lines() })
    }

    async fn order(&mut self, order: &Order) -> Result<Report> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line).await?;
        self.orders.flush().await?;
        let report = self.reports.next_line().await?.context("the process of clients is gone")?;
        Ok(serde_json::from_str(&report)?)
    }
}
