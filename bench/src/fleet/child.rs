//! A process of clients.

use std::rc::Rc;

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, stdin, stdout},
    task::LocalSet,
};

use super::{order::Order, pool::ClientPool};

/// Executes commands until stdin ends.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut lines = BufReader::new(stdin()).lines();
        let number = lines.next_line().await?.unwrap_or_default().parse()?;
        let pool = Rc::new(ClientPool::new(number));
        let mut out = stdout();
        while let Some(line) = lines.next_line().await? {
            let order: Order = serde_json::from_str(&line)?;
            let mut report = serde_json::to_vec(&pool.execute(order).await)?;
            report.push(b'\n');
            out.write_all(&report).await?;
            out.flush().await?;
        }
        Ok(())
    })
}
