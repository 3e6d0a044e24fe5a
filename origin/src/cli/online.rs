//! What is online of users, over both protocols and in records: one question for many users.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::client::{Server, text};

const OVERVIEWS: &str = "/admin/v1/users:batchGet";
const ME: &str = "/admin/v1/me";
/// What a caller who is bound to a tenant knows of a user when it is shown nothing.
pub(super) const UNSEEN: &str = "not of your tenant, or offline";
/// Users in one question, as many as a server takes.
const AT_ONCE: usize = 100;

/// What is online of one user, as far as the token may see it.
pub(super) struct Online {
    pub(super) user: String,
    /// The user's tenant. The sockets are of this one.
    pub(super) tenant: i64,
    /// The live connections of the gateway, as the server shows them.
    pub(super) connections: Vec<Value>,
    /// The ids of the live consoles.
    pub(super) consoles: Vec<String>,
    /// The tenants in which records are online.
    pub(super) record_tenants: Vec<i64>,
    /// Whether sockets of the user may be open that the token is not shown, since they would be of another tenant.
    pub(super) may_hide: bool,
}

/// The holder of the token.
pub(super) struct Caller {
    pub(super) user: String,
    /// Whether users of every tenant are shown.
    any_tenant: bool,
    pub(super) may_read: bool,
}

impl Caller {
    pub(super) fn ask(server: &Server) -> anyhow::Result<Self> {
        let shown = server.admin_get(ME, None)?;
        let is = |pointer: &str| shown.pointer(pointer).and_then(Value::as_bool);
        let read = || {
            Some(Self {
                user: text(&shown, "userId")?.to_owned(),
                any_tenant: is("/anyTenant")?,
                may_read: is("/rights/read")?,
            })
        };
        read().context("the answer does not say whose the token is")
    }
}

/// A state for people; `None` is one that the token is not shown.
pub(super) const fn word(online: Option<bool>) -> &'static str {
    match online {
        Some(true) => "online",
        Some(false) => "offline",
        None => UNSEEN,
    }
}

/// What is online of these users, in their order.
pub(super) fn look(server: &Server, users: &[String]) -> anyhow::Result<Vec<Online>> {
    let mut all = Vec::with_capacity(users.len());
    for some in users.chunks(AT_ONCE) {
        let answer = server.admin(OVERVIEWS, &json!({"userIds": some}))?;
        let shown = answer.get("users").and_then(Value::as_array).filter(|shown| shown.len() == some.len());
        let shown = shown.context("the answer is not about the users of the question")?;
        for (user, shown) in some.iter().zip(shown) {
            all.push(Online::read(user, shown).context("the answer holds no user")?);
        }
    }
    // A user of another tenant is shown like one who is offline.
    if all.iter().any(|user| !user.has_sockets()) && !Caller::ask(server)?.any_tenant {
        all.iter_mut().for_each(|user| user.may_hide = !user.has_sockets());
    }
    Ok(all)
}

impl Online {
    fn read(user: &str, shown: &Value) -> Option<Self> {
        let list = |name: &str| shown.get(name)?.as_array();
        let tenants = list("recordTenants")?.iter().map(|tenant| tenant.as_str()?.parse().ok());
        let consoles = list("consoles")?.iter().map(|id| id.as_str().map(str::to_owned));
        Some(Self {
            user: user.to_owned(),
            tenant: text(shown, "tenantId")?.parse().ok()?,
            connections: list("connections")?.clone(),
            consoles: consoles.collect::<Option<_>>()?,
            record_tenants: tenants.collect::<Option<_>>()?,
            may_hide: false,
        })
    }

    pub(super) const fn has_sockets(&self) -> bool {
        !(self.connections.is_empty() && self.consoles.is_empty())
    }

    pub(super) const fn is_online(&self) -> bool {
        self.has_sockets() || !self.record_tenants.is_empty()
    }

    /// Whether anything is online; `None` where the token is not shown enough.
    pub(super) fn is_known_online(&self) -> Option<bool> {
        (self.is_online() || !self.may_hide).then_some(self.is_online())
    }

    /// The tenants in which something is online: those of records, and that of sockets.
    pub(super) fn tenants(&self) -> BTreeSet<i64> {
        let sockets = self.has_sockets().then_some(self.tenant);
        self.record_tenants.iter().copied().chain(sockets).collect()
    }
}
