//! Import of another system's records (`docs/rules/message-center.md#import`).

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{Request, State},
    response::Response,
};
use rollcall_core::{
    audit::{Operation, Part, Progress, Records, Selection},
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
    Backend, Chain, answer,
    giver::Giver,
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
    Administrator { scope, giver }: Administrator,
    request: Request,
) -> Result<Response, RouteError> {
    let audit = AuditedImport::of(&backend, giver, scope.tenant, Operation::RecordsImport);
    let mut import = Import { backend: backend.clone(), scope, audit, report: ImportReport::default() };
    let mut rejected = RejectedLines::default();
    let imported = lines::import(request, &mut import, &mut rejected).await;
    let Import { audit, report, .. } = import;
    let RejectedLines { lines, total } = rejected;
    let taken = report.imported + report.updated;
    audit.end(&backend, imported, Records { taken, rejected: total }).await?;
    Ok(answer::json(&ImportReport { rejected: lines, rejected_total: total, ..report }))
}

/// An import in the audit: its entry is durable before the first line is, and says in the end what became of the lines. An import that
/// is refused before that leaves none.
pub(super) struct AuditedImport {
    giver: Giver,
    part: Part,
    has_begun: bool,
}

impl AuditedImport {
    pub(super) fn of<B: Backend>(backend: &B, giver: Giver, tenant: TenantId, operation: Operation) -> Self {
        let entry = giver.entry(backend, Some(tenant), operation, Selection::default());
        let part = Part::whole(entry, tenant, None, Progress::Begun);
        Self { giver, part, has_begun: false }
    }

    /// Before every write of lines.
    pub(super) async fn begin<B: Backend>(&mut self, backend: &B) -> Result<(), RouteError> {
        if !self.has_begun {
            backend.keep_entry(self.part.clone()).await?;
            self.has_begun = true;
        }
        Ok(())
    }

    /// Of one that broke off, the entry says what was taken until then.
    pub(super) async fn end<B: Backend>(
        self,
        backend: &B,
        imported: Result<(), RouteError>,
        records: Records,
    ) -> Result<(), RouteError> {
        let Self { giver, mut part, has_begun } = self;
        part.entry.details = giver.details(Selection::default(), Some(records));
        if imported.is_ok() {
            part.progress = Progress::Done;
            backend.keep_entry(part).await?;
        } else if has_begun && let Err(error) = backend.keep_entry(part).await {
            tracing::warn!(error = %Chain(&error), "the entry of an import that broke off lacks its counts");
        }
        imported
    }
}

struct Import<B> {
    backend: B,
    /// The tenants that lines may name.
    scope: TenantScope,
    audit: AuditedImport,
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
        self.audit.begin(&self.backend).await?;
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
