//! Import of another system's records (`docs/rules/message-center.md#import`).

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http_body_util::BodyExt as _;
use rollcall_core::{
    directory::{
        import::{LINE_BYTES, parse_line},
        record::Record,
        upsert::Imported,
    },
    id::{RecordId, TenantId},
    message_center::{MessageCenterError, TenantScope},
};
use serde::Serialize;

use super::caller::Administrator;
use crate::{
    Backend, BodyAccount, answer,
    body::without_bom,
    message_center::{Empty, Envelope, Refusals, RouteError},
};

/// The records of one write: no more of a file is held in memory.
const BATCH: usize = 2_000;
/// The bytes of their lines, beyond which they are written before they are so many.
const BATCH_BYTES: usize = 1 << 20;
/// The most rejected lines that a report lists.
pub(super) const REJECTED: usize = 1_000;

/// What became of a file.
#[derive(Serialize, Default, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Report)]
pub(crate) struct ImportReport {
    /// Records that are new
    imported: u64,
    /// Records that an earlier line or file had
    updated: u64,
    /// The first 1,000 lines that were not taken
    rejected: Vec<Rejected>,
    /// How many were not taken
    rejected_total: u64,
}

/// A line that was not taken.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Rejected {
    /// From 1
    pub(super) line: u64,
    /// Why
    pub(super) error: String,
}

/// Import records
///
/// One JSON object a line. Lines are taken one by one: a bad one is reported and the others are imported. Repeating a file
/// changes nothing; the last line of an id wins. An `offlineDate` that is absent means online until `leaseUntil`. Lines of
/// another tenant are rejected, unless the caller stands above tenants.
#[utoipa::path(
    post, path = "/admin/v1/records:import", tag = "administration",
    request_body(content = String, content_type = "application/x-ndjson", description = "`{\"id\",\"tenantId\",\"userId\",\"fullName\",\"avatar\",\"userAgent\",\"deviceId\",\"remoteAddress\",\"onlineDate\",\"offlineDate\",\"leaseUntil\"}` a line; ids as text or number, dates of RFC 3339 or, without an offset, in `message_center.time_zone`"),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "What became of the lines", body = ImportReport),
        (status = 400, description = "The body did not arrive whole; what came before was imported", body = Envelope<Empty>),
        (status = 403, description = "Not an administrator", body = Envelope<Empty>),
        (status = 500, description = "Not everything could be written; repeating it is safe", body = Envelope<Empty>),
    )
)]
pub(crate) async fn import<B: Backend>(
    State(backend): State<B>,
    Administrator { scope }: Administrator,
    request: Request,
) -> Result<Response, RouteError> {
    let account = request.extensions().get::<BodyAccount>().cloned();
    let hold = |bytes: usize| match &account {
        Some(account) => account.hold(bytes).map_err(|_| MessageCenterError::Busy),
        None => Ok(()),
    };
    let mut import = Import {
        backend,
        scope,
        batch: Vec::new(),
        tenants: BTreeMap::new(),
        batch_bytes: 0,
        line: 0,
        report: ImportReport::default(),
    };
    let mut lines = Lines::of(request.into_body());
    hold(LINE_BYTES)?;
    while let Some(line) = lines.next().await? {
        import.take(line).await?;
        hold(LINE_BYTES.max(lines.held()) + import.batch_bytes)?;
    }
    import.write().await?;
    Ok(answer::json(&import.report))
}

struct Import<B> {
    backend: B,
    /// The tenants that lines may name.
    scope: TenantScope,
    /// The next records, each with the number of its line.
    batch: Vec<(u64, Record)>,
    /// The tenants of the ids in the batch.
    tenants: BTreeMap<RecordId, TenantId>,
    /// The length of their lines, in bytes.
    batch_bytes: usize,
    line: u64,
    report: ImportReport,
}

impl<B: Backend> Import<B> {
    async fn take(&mut self, line: Result<Vec<u8>, TooLong>) -> Result<(), RouteError> {
        self.line += 1;
        let lease = std::time::Duration::from_secs(self.backend.settings().presence.lease_seconds.into());
        // A file that was put together from others may have the mark in the middle.
        let line = line.as_deref().map(without_bom);
        match line {
            Err(TooLong) => self.reject(self.line, format!("the line is longer than {LINE_BYTES} bytes")),
            Ok(line) if line.trim_ascii().is_empty() => {}
            Ok(line) => match parse_line(line, self.backend.now(), lease, self.backend.zone()) {
                Err(error) => self.reject(self.line, error),
                Ok(record) if self.scope.check(record.tenant).is_err() => {
                    self.reject(
                        self.line,
                        format!("tenantId: {} is another tenant than the caller's", record.tenant),
                    );
                }
                Ok(record) => {
                    // The ids of a batch tell which of its lines were written, so each id may stand in it for one tenant only.
                    if self.tenants.get(&record.id).is_some_and(|tenant| *tenant != record.tenant) {
                        self.write().await?;
                    }
                    self.tenants.insert(record.id, record.tenant);
                    self.batch.push((self.line, record));
                    self.batch_bytes += line.len();
                }
            },
        }
        if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), RouteError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        self.tenants.clear();
        let (lines, records): (Vec<_>, Vec<_>) = std::mem::take(&mut self.batch).into_iter().unzip();
        let ids: Vec<_> = records.iter().map(|record| record.id).collect();
        let mut written = BTreeSet::new();
        for one in self.backend.import(records).await? {
            let id = match one {
                Imported::New(id) => {
                    self.report.imported += 1;
                    id
                }
                Imported::Updated(id) => {
                    self.report.updated += 1;
                    id
                }
            };
            written.insert(id);
        }
        for (line, id) in lines.into_iter().zip(ids) {
            if !written.contains(&id) {
                self.reject(line, format!("id: {id} is another record's"));
            }
        }
        Ok(())
    }

    fn reject(&mut self, line: u64, error: String) {
        self.report.rejected_total += 1;
        if self.report.rejected.len() < REJECTED {
            self.report.rejected.push(Rejected { line, error });
        }
    }
}

/// A line that was skipped.
pub(super) struct TooLong;

/// A body, line by line. No more is held than one line and the rest of the chunk with its end.
pub(super) struct Lines {
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
    pub(super) const fn of(body: Body) -> Self {
        Self { body, rest: Vec::new(), read: 0, too_long: false, ended: false }
    }

    /// The memory of what waits for the end of its line, in bytes.
    pub(super) fn held(&self) -> usize {
        self.rest.capacity()
    }

    /// The next line; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Result<Vec<u8>, TooLong>>, RouteError> {
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
