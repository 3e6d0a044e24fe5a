//! A body of NDJSON that may be longer than memory has room for: read line by line, written in batches.

use axum::{body::Body, extract::Request};
use http_body_util::BodyExt as _;
use rollcall_core::{directory::import::LINE_BYTES, message_center::MessageCenterError};
use serde::Serialize;

use crate::{BodyAccount, body::without_bom, message_center::RouteError};

/// The bytes of lines beyond which they are written before they are as many as a batch has.
const BATCH_BYTES: usize = 1 << 20;
/// The most rejected lines that a report lists.
const LISTED: usize = 1_000;

/// What the lines of a body become.
pub(super) trait Import {
    /// What a line says.
    type Item;
    /// The most lines of one write.
    const BATCH: usize;

    /// Reads a line; `None` when it asks for nothing, and the reason why it is rejected.
    fn parse(&self, line: &[u8]) -> Result<Option<Self::Item>, String>;

    /// Writes what the next lines said, each with the line's number.
    fn write(
        &mut self,
        batch: Vec<(u64, Self::Item)>,
        rejected: &mut RejectedLines,
    ) -> impl Future<Output = Result<(), RouteError>> + Send;
}

/// A line that was not taken.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Rejected)]
pub(crate) struct RejectedLine {
    /// From 1
    line: u64,
    /// Why
    error: String,
}

/// Those that were not taken.
#[derive(Default)]
pub(super) struct RejectedLines {
    /// The first 1,000.
    pub(super) lines: Vec<RejectedLine>,
    /// How many there are.
    pub(super) total: u64,
}

impl RejectedLines {
    /// Adds one.
    pub(super) fn add(&mut self, line: u64, error: String) {
        self.total += 1;
        if self.lines.len() < LISTED {
            self.lines.push(RejectedLine { line, error });
        }
    }
}

/// Imports the lines of a body, and adds those that were not taken. What was written before an error stays written.
pub(super) async fn import<I: Import>(
    request: Request,
    import: &mut I,
    rejected: &mut RejectedLines,
) -> Result<(), RouteError> {
    let account = request.extensions().get::<BodyAccount>().cloned();
    let hold = |bytes: usize| match &account {
        Some(account) => account.hold(bytes).map_err(|_| MessageCenterError::Busy),
        None => Ok(()),
    };
    let mut lines = Lines::of(request.into_body());
    let (mut batch, mut bytes, mut number) = (Vec::new(), 0, 0);
    hold(LINE_BYTES)?;
    while let Some(line) = lines.next().await? {
        number += 1;
        // A file that was put together from others may have the mark in the middle.
        match line.as_deref().map(without_bom) {
            Err(TooLong) => rejected.add(number, format!("the line is longer than {LINE_BYTES} bytes")),
            Ok(line) if line.trim_ascii().is_empty() => {}
            Ok(line) => match import.parse(line) {
                Err(error) => rejected.add(number, error),
                Ok(None) => {}
                Ok(Some(item)) => {
                    batch.push((number, item));
                    bytes += line.len();
                }
            },
        }
        if batch.len() >= I::BATCH || bytes >= BATCH_BYTES {
            import.write(std::mem::take(&mut batch), rejected).await?;
            bytes = 0;
        }
        hold(LINE_BYTES.max(lines.held()) + bytes)?;
    }
    if !batch.is_empty() {
        import.write(batch, rejected).await?;
    }
    Ok(())
}

/// A line that was skipped.
struct TooLong;

/// A body, line by line. No more is held than one line and the rest of the chunk with its end.
struct Lines {
    body: Body,
    rest: Vec<u8>,
    /// The bytes of `rest` that were returned already.
    read: usize,
    /// Whether the line in `rest` was longer than allowed and is being skipped.
    too_long: bool,
    ended: bool,
}

impl Lines {
    /// Those of a body.
    const fn of(body: Body) -> Self {
        Self { body, rest: Vec::new(), read: 0, too_long: false, ended: false }
    }

    /// The memory of what waits for the end of its line, in bytes.
    fn held(&self) -> usize {
        self.rest.capacity()
    }

    /// The next line; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Result<Vec<u8>, TooLong>>, RouteError> {
        loop {
            let rest = self.rest.get(self.read..).unwrap_or_default();
            if let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.get(..length).unwrap_or_default().to_vec();
                self.read += length + 1;
                return Ok(Some(self.whole(line)));
            }
            if self.ended {
                let line = std::mem::take(&mut self.rest).split_off(self.read);
                self.read = 0;
                return Ok((!line.is_empty() || self.too_long).then(|| self.whole(line)));
            }
            self.more().await?;
        }
    }

    fn whole(&mut self, line: Vec<u8>) -> Result<Vec<u8>, TooLong> {
        if std::mem::take(&mut self.too_long) || line.len() > LINE_BYTES { Err(TooLong) } else { Ok(line) }
    }

    async fn more(&mut self) -> Result<(), RouteError> {
        self.rest.drain(..self.read);
        self.read = 0;
        if self.rest.len() > LINE_BYTES {
            self.too_long = true;
            self.rest.clear();
        }
        match self.body.frame().await {
            None => self.ended = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.rest.extend_from_slice(&data);
                }
            }
            Some(Err(error)) => {
                tracing::info!(%error, "an import broke off");
                return Err(MessageCenterError::Unparsable { too_large: false }.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a body that arrives in pieces of `size`.
    fn lines(text: &str, size: usize) -> Vec<Option<String>> {
        let pieces: Vec<Result<_, std::convert::Infallible>> =
            text.as_bytes().chunks(size).map(|piece| Ok(axum::body::Bytes::copy_from_slice(piece))).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let mut lines = Lines::of(body);
        let all = async {
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line.ok().map(|line| String::from_utf8(line).unwrap()));
            }
            all
        };
        futures_util::FutureExt::now_or_never(all).unwrap()
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let long = "x".repeat(LINE_BYTES + 1);
        let text = format!("a\n\nbc\n{long}\n{}\nlast", "y".repeat(LINE_BYTES));
        let expected = [
            Some("a".to_owned()),
            Some(String::new()),
            Some("bc".to_owned()),
            None,
            Some("y".repeat(LINE_BYTES)),
            Some("last".to_owned()),
        ];
        for size in [1, 2, 3, 1000, LINE_BYTES, 1 << 20] {
            assert_eq!(lines(&text, size), expected, "{size}");
        }
        assert_eq!(lines("", 1), []);
        assert_eq!(lines("a\n", 1), [Some("a".to_owned())]);
        assert_eq!(lines(&long, 7), [None]);
    }
}
