//! Members of departments and groups (`docs/rules/message-center.md#members`).

use rollcall_core::{
    config::Settings,
    directory::membership::Body,
    id::TenantId,
    json::{self, Integer, List},
    message_center::Receivers,
    ordered::distinct,
    secret::Secret,
};
use serde::{Deserialize, Serialize};

use crate::{Backend, BackendError, backend::Post};

/// The most members of one order.
const MOST: usize = 100_000;

/// The longest answer of the resolver: so many members, each a text of 20 characters in quotes, with a blank and a comma.
const ANSWER_BYTES: usize = MOST * 24 + 4_096;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    #[serde(rename = "type")]
    receivers: &'static str,
    tenant_id: String,
    ids: &'a [i64],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    user_ids: List<Integer, MOST>,
}

/// Whether the configuration has a source for the members of departments and groups.
pub(super) fn can_be_told(settings: &Settings) -> bool {
    settings.message_center.resolver_url.is_some()
        || settings.auth.introspection.url.is_some()
        || settings.auth.tokens.iter().any(|token| !(token.dept_ids.is_empty() && token.group_ids.is_empty()))
}

/// The members of these departments or groups of a tenant: from the resolver if there is one, since its answer is fresh,
/// else from the configuration and the tokens of open connections.
pub(super) async fn of<B: Backend>(
    backend: &B,
    tenant: TenantId,
    receivers: Receivers,
    ids: &[i64],
) -> Result<Vec<i64>, BackendError> {
    let settings = backend.settings();
    let Some(url) = &settings.message_center.resolver_url else {
        let of_tenant = settings.auth.tokens.iter().filter(|token| token.tenant_id == tenant.0);
        let belongs = of_tenant.filter(|token| {
            let of = if receivers == Receivers::Dept { &token.dept_ids } else { &token.group_ids };
            of.iter().any(|id| ids.binary_search(id).is_ok())
        });
        let configured = belongs.map(|token| token.user_id);
        let body = if receivers == Receivers::Dept { Body::Department } else { Body::Group };
        let connected = backend.members(tenant, body, ids.to_vec()).await?;
        return Ok(distinct(configured.chain(connected)));
    };
    let question = Question { receivers: receivers.name(), tenant_id: tenant.to_string(), ids };
    let body = serde_json::to_string(&question).map_err(BackendError::new)?;
    let request = Post {
        url: url.to_string(),
        content_type: "application/json",
        authorization: None,
        request_id: format!("{:032x}", backend.random()),
        body: Secret::new(body),
        answer_bytes: ANSWER_BYTES,
        stranger: None,
    };
    let (status, body) = backend.post(request).await?;
    let answer = (status == 200).then(|| json::object::<Answer>(&body).ok()).flatten();
    let answer = answer.filter(|answer| answer.user_ids.length <= MOST).ok_or_else(|| {
        BackendError::new(format!(
            "message_center.resolver_url answered {status} and no list of at most {MOST} userIds"
        ))
    })?;
    Ok(distinct(answer.user_ids.items.into_iter().map(|Integer(id)| id)))
}
