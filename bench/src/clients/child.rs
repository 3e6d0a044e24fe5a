//! A process of clients.

use std::rc::Rc;

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, stdin, stdout},
    task::LocalSet,
};

use super::{command::ClientCommand, pool::ClientPool};

/// Executes commands until stdin ends.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut lines = BufReader::new(stdin()).lines();
        let number = lines.next_line().await?.unwrap_or_default().parse()?;
        let pool = Rc::new(ClientPool::new(number));
        let mut out = stdout();
        while let Some(line) = lines.next_line().await? {
            let command: ClientCommand = serde_json::from_str(&line)?;
            let mut reply = serde_json::to_vec(&pool.execute(command).await)?;
            reply.push(b'\n');
            out.write_all(&reply).await?;
            out.flush().await?;
        }
        Ok(())
    })
}
