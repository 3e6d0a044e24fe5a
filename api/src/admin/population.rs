//! Export and import of a population: everything that moves to another server (`docs/rules/users.md#populations`).

use std::collections::BTreeMap;

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::header::CONTENT_TYPE;
use rollcall_core::{
    audit::{Operation, Records},
    directory::{
        record::{Record, Source},
        view::View,
    },
    id::{TenantId, UserId},
    json,
    message_center::{MessageCenterError, TenantScope},
    ordered::distinct,
    population::{
        Cursor, FIRST_LINE, LAST_LINE, Line, Part, UnwrittenLine, cutoff_line, page_line, record_line,
        token_line, user_line,
    },
    token::TokenHash,
    user::{UserSnapshot, request::TakeSnapshot},
};
use serde::{Deserialize, Serialize};

use super::{
    caller::Administrator,
    import::{AuditedImport, of_one_tenant_an_id},
    lines::{self, RejectedLine, RejectedLines},
};
use crate::{
    Backend, Chain, answer,
    message_center::{self, Empty, Envelope, Refusals, RouteError},
};

/// The most users that a request names.
const USERS: usize = 500;
/// The most tenants that a request names.
const TENANTS: usize = 100;
/// Lines of tokens beyond which a page leaves the rest of its users to the next one.
const TOKEN_LINES: usize = 5_000;

/// What to export.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportRequest)]
pub(crate) struct Asked {
    /// Where to go on: the cursor at the end of the page before
    #[serde(default)]
    cursor: Option<String>,
    /// At the edge: the tenants whose records are looked for, at most 100. Without it 0 and those of `auth.tokens`
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    tenant_ids: Option<json::List<json::Integer, TENANTS>>,
    /// These users alone, at most 500, without records
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 500)]
    user_ids: Option<json::List<String, USERS>>,
}

/// Refuses callers of one tenant.
fn above_tenants(scope: TenantScope) -> Result<(), RouteError> {
    if scope.limit().is_some() { Err(MessageCenterError::Forbidden.into()) } else { Ok(()) }
}

/// Export a page of the population
///
/// NDJSON: cutoffs of tenants, users, tokens (their SHA-256 and state, never their text) and records, as
/// `population:import` takes them. The last line of a page has the `cursor` of the next one, and the last page ends with
/// `{"type":"end"}`. For OpenIM administrators and the operator's client.
#[utoipa::path(
    post, path = "/admin/v1/population:export", tag = "administration", request_body = Asked,
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The page", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "The body or the cursor is not as documented", body = Envelope<Empty>),
        (status = 403, description = "Not above tenants", body = Envelope<Empty>),
        (status = 500, description = "A user or a shard could not be reached", body = Envelope<Empty>),
    )
)]
pub(crate) async fn export<B: Backend>(
    State(backend): State<B>,
    Administrator { scope, .. }: Administrator,
    request: Request,
) -> Result<Response, RouteError> {
    above_tenants(scope)?;
    let (_parts, Asked { cursor, tenant_ids, user_ids }) = message_center::object(request).await?;
    let is_long = tenant_ids.as_ref().is_some_and(|ids| ids.length > TENANTS)
        || user_ids.as_ref().is_some_and(|ids| ids.length > USERS);
    if is_long {
        let bounds = format!("at most {USERS} users and {TENANTS} tenants may be named");
        return Err(MessageCenterError::Invalid(bounds).into());
    }
    let mut page = Page { backend, text: String::new(), tokens: 0, rest: Vec::new(), views: BTreeMap::new() };
    if let Some(ids) = user_ids {
        let users = ids.items.into_iter().map(UserId::new).collect::<Result<_, _>>();
        let users = users.map_err(|error| MessageCenterError::Invalid(error.to_string()))?;
        page.users(users).await?;
        page.finish_tokens(usize::MAX).await?;
        return Ok(page.answer(LAST_LINE));
    }
    let tenants = match tenant_ids {
        Some(ids) => ids.items.into_iter().map(|id| TenantId(id.0)).collect(),
        None => known_tenants(&page.backend),
    };
    let at = match cursor {
        None => {
            page.line(FIRST_LINE);
            page.cutoffs(&tenants).await?;
            None
        }
        Some(text) => {
            let read: Result<Cursor, _> = serde_json::from_str(&text);
            let Cursor { at, rest } = read.map_err(|_| MessageCenterError::Binding {
                field: "cursor",
                rejected: "what is none".to_owned(),
            })?;
            page.rest = rest;
            page.finish_tokens(TOKEN_LINES).await?;
            match at {
                Some(at) if page.rest.is_empty() => Some(at),
                at => return page.ends_at(at),
            }
        }
    };
    let Part { users, records, next } = page.backend.population(&tenants, at).await?;
    page.users(users).await?;
    page.records(records).await?;
    page.finish_tokens(TOKEN_LINES).await?;
    page.ends_at(next)
}

/// Tenant 0 and those of the configuration.
fn known_tenants<B: Backend>(backend: &B) -> Vec<TenantId> {
    let configured = backend.settings().auth.tokens.iter().map(|token| TenantId(token.tenant_id));
    distinct(configured.chain([TenantId::default()]))
}

/// A page of an export.
struct Page<B> {
    backend: B,
    text: String,
    /// Lines of tokens.
    tokens: usize,
    /// Users with further tokens, and the last one that is in the page.
    rest: Vec<(UserId, TokenHash)>,
    views: BTreeMap<TenantId, View>,
}

impl<B: Backend> Page<B> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn answer(mut self, last: &str) -> Response {
        self.line(last);
        ([(CONTENT_TYPE, "application/x-ndjson")], self.text).into_response()
    }

    fn ends_at(mut self, at: Option<rollcall_core::population::Position>) -> Result<Response, RouteError> {
        let rest = std::mem::take(&mut self.rest);
        if at.is_none() && rest.is_empty() {
            return Ok(self.answer(LAST_LINE));
        }
        let cursor = serde_json::to_string(&Cursor { at, rest }).map_err(|_| MessageCenterError::Internal)?;
        Ok(self.answer(&page_line(&cursor)))
    }

    async fn view(&mut self, tenant: TenantId) -> Result<View, RouteError> {
        if let Some(view) = self.views.get(&tenant) {
            return Ok(view.clone());
        }
        let view = self.backend.view(tenant).await?;
        self.views.insert(tenant, view.clone());
        Ok(view)
    }

    async fn cutoffs(&mut self, tenants: &[TenantId]) -> Result<(), RouteError> {
        let known = self.backend.tenants_with_cutoffs().await?;
        for tenant in distinct(tenants.iter().copied().chain(known)) {
            if let Some(cutoff) = self.view(tenant).await?.cutoff {
                self.line(&cutoff_line(tenant, &cutoff).map_err(unwritten)?);
            }
        }
        Ok(())
    }

    /// Users with their first tokens.
    async fn users(&mut self, users: Vec<UserId>) -> Result<(), RouteError> {
        self.snapshots(users.into_iter().map(|user| (user, None)).collect()).await
    }

    /// Further tokens of users, until about `most` lines of tokens are in the page.
    async fn finish_tokens(&mut self, most: usize) -> Result<(), RouteError> {
        while !self.rest.is_empty() && self.tokens < most {
            let rest = std::mem::take(&mut self.rest);
            self.snapshots(rest.into_iter().map(|(user, after)| (user, Some(after))).collect()).await?;
        }
        Ok(())
    }

    async fn snapshots(&mut self, asked: Vec<(UserId, Option<TokenHash>)>) -> Result<(), RouteError> {
        let requests: Vec<_> =
            asked.iter().map(|(user, after)| (user.clone(), TakeSnapshot { after: *after })).collect();
        let snapshots = self.backend.run_many(requests).await?;
        for ((user, _), UserSnapshot { facts, tokens, next }) in asked.into_iter().zip(snapshots) {
            if let Some(facts) = facts {
                self.line(&user_line(&user, &facts).map_err(unwritten)?);
            }
            self.tokens += tokens.len();
            for row in &tokens {
                self.line(&token_line(&user, row).map_err(unwritten)?);
            }
            self.rest.extend(next.map(|after| (user, after)));
        }
        Ok(())
    }

    /// Records as readers see them, without those that are due for deletion. Those that are online stay so for the time of a lease.
    async fn records(&mut self, records: Vec<Record>) -> Result<(), RouteError> {
        let lease = std::time::Duration::from_secs(self.backend.settings().presence.lease_seconds.into());
        for record in records {
            let view = self.view(record.tenant).await?;
            if !view.retains(&record) {
                continue;
            }
            let offline_at = view.ended_at(&record);
            let lease_until = match (offline_at, record.source) {
                (Some(_), _) => None,
                (None, Source::Import) => record.lease_until,
                (None, Source::Live) => Some(view.now + lease),
            };
            let line = record_line(&Record { offline_at, lease_until, ..record });
            self.line(&line.map_err(unwritten)?);
        }
        Ok(())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that `map_err` wants")]
fn unwritten(error: UnwrittenLine) -> MessageCenterError {
    tracing::error!(error = %Chain(&error), "an export was given up");
    MessageCenterError::Internal
}

/// What became of a file.
#[derive(Serialize, Default, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PopulationReport)]
pub(crate) struct PopulationReport {
    /// Orders to tenants
    cutoffs: u64,
    /// Users
    users: u64,
    /// Tokens
    tokens: u64,
    /// Records that were written
    records: u64,
    /// Records and orders of which this server has its own
    kept: u64,
    /// The first 1,000 lines that were not taken
    rejected: Vec<RejectedLine>,
    /// How many were not taken
    rejected_total: u64,
}

/// Import a population
///
/// The lines of an export, or a part of them. Lines are taken one by one: a bad one is reported and the others are imported.
/// What is kicked on either side is kicked; repeating a file changes nothing. `auth.secret` must be that of the exporting
/// server, or one of `auth.previous_secrets`. For OpenIM administrators and the operator's client.
#[utoipa::path(
    post, path = "/admin/v1/population:import", tag = "administration",
    request_body(content = String, content_type = "application/x-ndjson", description = "Lines of `population:export`"),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "What became of the lines", body = PopulationReport),
        (status = 400, description = "The body did not arrive whole; what came before was imported", body = Envelope<Empty>),
        (status = 403, description = "Not above tenants", body = Envelope<Empty>),
        (status = 500, description = "Not everything could be written; repeating it is safe", body = Envelope<Empty>),
    )
)]
pub(crate) async fn import<B: Backend>(
    State(backend): State<B>,
    Administrator { scope, giver }: Administrator,
    request: Request,
) -> Result<Response, RouteError> {
    above_tenants(scope)?;
    let audit = AuditedImport::of(&backend, giver, scope.tenant, Operation::PopulationImport);
    let mut import = Import { backend: backend.clone(), audit, report: PopulationReport::default() };
    let mut rejected = RejectedLines::default();
    let imported = lines::import(request, &mut import, &mut rejected).await;
    let Import { audit, report, .. } = import;
    let RejectedLines { lines, total } = rejected;
    let PopulationReport { cutoffs, users, tokens, records, kept, .. } = &report;
    let taken = cutoffs + users + tokens + records + kept;
    audit.end(&backend, imported, Records { taken, rejected: total }).await?;
    Ok(answer::json(&PopulationReport { rejected: lines, rejected_total: total, ..report }))
}

struct Import<B> {
    backend: B,
    audit: AuditedImport,
    report: PopulationReport,
}

impl<B: Backend> lines::Import for Import<B> {
    type Item = Line;
    const BATCH: usize = 1_000;

    fn parse(&self, line: &[u8]) -> Result<Option<Line>, String> {
        match Line::parse(line) {
            Err(error) => Err(error.to_string()),
            Ok(Line::Mark) => Ok(None),
            Ok(line) => Ok(Some(line)),
        }
    }

    /// Orders come first: a user's unlock is held against the order of its tenant.
    async fn write(
        &mut self,
        batch: Vec<(u64, Line)>,
        rejected: &mut RejectedLines,
    ) -> Result<(), RouteError> {
        self.audit.begin(&self.backend).await?;
        let (mut users, mut records) = (BTreeMap::<UserId, UserSnapshot>::new(), Vec::new());
        for (number, line) in batch {
            match line {
                Line::Mark => {}
                Line::Cutoff(tenant, cutoff) => match self.backend.adopt_cutoff(tenant, cutoff).await? {
                    Ok(true) => self.report.cutoffs += 1,
                    Ok(false) => self.report.kept += 1,
                    Err(own) => rejected.add(number, own.to_string()),
                },
                Line::User(user, facts) => {
                    self.report.users += 1;
                    users.entry(user).or_default().facts = Some(facts);
                }
                Line::Token(user, row) => {
                    self.report.tokens += 1;
                    users.entry(user).or_default().tokens.push(row);
                }
                Line::Record(record) => records.push((number, record)),
            }
        }
        self.backend.run_many(users).await?;
        for part in of_one_tenant_an_id(records) {
            let records: Vec<Record> = part.into_iter().map(|(_, record)| record).collect();
            let given = records.len() as u64;
            let written = self.backend.import(records).await?.len() as u64;
            self.report.records += written;
            self.report.kept += given.saturating_sub(written);
        }
        Ok(())
    }
}
