//! Import of another system's records (`docs/rules/message-center.md#import`).

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{Request, State},
    response::Response,
};
use rollcall_core::{
    directory::{import::parse_line, record::Record, upsert::Imported},
    id::{RecordId, TenantId},
    message_center::TenantScope,
};
use serde::Serialize;

use super::{
    caller::Administrator,
    lines::{self, RejectedLine, RejectedLines},
};
use crate::{
    Backend, answer,
    message_center::{Empty, Envelope, Refusals, RouteError},
};

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
    rejected: Vec<RejectedLine>,
    /// How many were not taken
    rejected_total: u64,
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
    let mut import = Import { backend, scope, report: ImportReport::default() };
    let RejectedLines { lines, total } = lines::import(request, &mut import).await?;
    Ok(answer::json(&ImportReport { rejected: lines, rejected_total: total, ..import.report }))
}

struct Import<B> {
    backend: B,
    /// The tenants that lines may name.
    scope: TenantScope,
    report: ImportReport,
}

impl<B: Backend> lines::Import for Import<B> {
    type Item = Record;
    const BATCH: usize = 2_000;

    fn parse(&self, line: &[u8]) -> Result<Option<Record>, String> {
        let lease = std::time::Duration::from_secs(self.backend.settings().presence.lease_seconds.into());
        let record = parse_line(line, self.backend.now(), lease, self.backend.zone())?;
        match self.scope.check(record.tenant) {
            Ok(()) => Ok(Some(record)),
            Err(_) => Err(format!("tenantId: {} is another tenant than the caller's", record.tenant)),
        }
    }

    async fn write(
        &mut self,
        batch: Vec<(u64, Record)>,
        rejected: &mut RejectedLines,
    ) -> Result<(), RouteError> {
        for part in of_one_tenant_an_id(batch) {
            let (lines, records): (Vec<_>, Vec<_>) = part.into_iter().unzip();
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
                    rejected.add(line, format!("id: {id} is another record's"));
                }
            }
        }
        Ok(())
    }
}

/// Cuts a batch into parts, in its order. Within a part an id stands for one tenant only, because the answer to a write names the
/// ids that were written, without their tenants.
pub(super) fn of_one_tenant_an_id(batch: Vec<(u64, Record)>) -> Vec<Vec<(u64, Record)>> {
    let mut tenants = BTreeMap::<RecordId, TenantId>::new();
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    for (line, record) in batch {
        if tenants.get(&record.id).is_some_and(|tenant| *tenant != record.tenant) {
            parts.push(std::mem::take(&mut part));
            tenants.clear();
        }
        tenants.insert(record.id, record.tenant);
        part.push((line, record));
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}
