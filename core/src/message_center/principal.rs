//! The holder of a bearer token (`docs/rules/message-center.md#authentication`).

use serde::{Deserialize, Serialize};

use super::MessageCenterError;
use crate::{
    config::{Settings, StaticToken},
    directory::membership,
    id::{TenantId, UserId},
    time::Timestamp,
    user::Bearer,
};

/// The holder of a bearer token that its issuer calls good. Orders that revoke it are checked separately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The user of the token.
    pub user: UserId,
    /// The login name.
    pub username: String,
    /// The display name, where the issuer names one.
    pub full_name: Option<String>,
    /// The tenant that the issuer names.
    pub tenant: TenantId,
    /// The client that the token was issued to.
    pub client: Option<String>,
    /// Whether the user administers its tenant.
    pub sys_admin: bool,
    /// Further permissions.
    pub permissions: Vec<String>,
    /// Whether this is a personal access token.
    pub personal: bool,
    /// The address of a picture.
    pub avatar: Option<String>,
    /// The device that the token was issued to.
    pub device_id: Option<String>,
    /// The instant of issue. A token without one counts as older than any cutoff.
    pub issued_at: Option<Timestamp>,
    /// The expiry: the token is invalid from this instant on.
    pub expires: Option<Timestamp>,
    /// Departments of the user.
    pub departments: Vec<i64>,
    /// Groups of the user.
    pub groups: Vec<i64>,
}

impl Principal {
    /// An administrator of the OpenIM endpoints: a system administrator of tenant 0.
    pub fn openim_admin(user: UserId) -> Self {
        Self {
            username: user.to_string(),
            full_name: None,
            user,
            tenant: TenantId::default(),
            client: None,
            sys_admin: true,
            permissions: Vec::new(),
            personal: false,
            avatar: None,
            device_id: None,
            issued_at: None,
            expires: None,
            departments: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// The name to show: the display name, else the login name.
    pub fn name(&self) -> &str {
        self.full_name.as_deref().unwrap_or(&self.username)
    }

    /// Whether this holder administers its tenant. A personal access token does not inherit that right.
    pub const fn administers(&self) -> bool {
        self.sys_admin && !self.personal
    }

    /// The properties of the token that decide whether a cutoff covers it.
    pub fn bearer(&self) -> Bearer {
        Bearer { tenant: self.tenant, issued_at: self.issued_at, personal: self.personal }
    }

    /// The principal of a socket, bounded in size: permissions are not checked on sockets.
    #[must_use]
    pub fn for_socket(mut self) -> Self {
        self.permissions = Vec::new();
        self.departments.truncate(membership::MOST);
        self.groups.truncate(membership::MOST);
        self
    }

    /// The tenants of the request. `named` is the header `XC-Opt-Tenant-Id`, `openim_admin` says whether the token is one of
    /// an OpenIM administrator.
    ///
    /// # Errors
    /// When a holder who does not stand above tenants names another one than its own.
    pub fn tenant_scope(
        &self,
        named: Option<&str>,
        openim_admin: bool,
        settings: &Settings,
    ) -> Result<TenantScope, MessageCenterError> {
        let operator = settings.message_center.operator_client_id.as_str();
        // Of nobody's: an issuer may name no client by an empty text.
        let is_operator = !operator.is_empty() && self.client.as_deref() == Some(operator);
        let above = openim_admin || is_operator;
        let Some(named) = named else { return Ok(TenantScope { tenant: self.tenant, any: above, above }) };
        let tenant = named.trim().parse().map(TenantId);
        if tenant.as_ref() != Ok(&self.tenant) && !above {
            return Err(MessageCenterError::ForeignTenant(named.to_owned()));
        }
        let tenant = tenant.map_err(|_| MessageCenterError::Binding {
            field: "XC-Opt-Tenant-Id",
            rejected: named.to_owned(),
        })?;
        Ok(TenantScope { tenant, any: false, above })
    }
}

/// The tenants that a request may act for (`docs/rules/message-center.md#tenants`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantScope {
    /// The tenant of lists and of force-offs.
    pub tenant: TenantId,
    /// Whether a path or body under `/admin/v1` may name any other tenant too.
    any: bool,
    /// Whether the caller stands above tenants.
    pub above: bool,
}

impl TenantScope {
    /// The only tenant whose users and records an administrative route reaches; `None` is every tenant.
    pub const fn limit(&self) -> Option<TenantId> {
        if self.any { None } else { Some(self.tenant) }
    }

    /// Checks a tenant that a path or body names.
    ///
    /// # Errors
    /// [`MessageCenterError::OutOfScope`].
    pub fn check(&self, named: TenantId) -> Result<(), MessageCenterError> {
        match self.limit() {
            Some(only) if only != named => Err(MessageCenterError::OutOfScope(named)),
            _ => Ok(()),
        }
    }
}

impl From<&StaticToken> for Principal {
    fn from(token: &StaticToken) -> Self {
        let username = token.username.clone().unwrap_or_else(|| token.user_id.to_string());
        Self {
            user: UserId::from(token.user_id),
            full_name: token.full_name.clone(),
            username,
            tenant: TenantId(token.tenant_id),
            client: token.client_id.clone(),
            sys_admin: token.sys_admin,
            permissions: token.permissions.clone(),
            personal: false,
            avatar: token.avatar.clone(),
            device_id: token.device_id.clone(),
            issued_at: None,
            expires: None,
            departments: token.dept_ids.clone(),
            groups: token.group_ids.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_tenant(tenant: i64, client: Option<&str>) -> Principal {
        Principal {
            tenant: TenantId(tenant),
            client: client.map(str::to_owned),
            ..Principal::openim_admin(UserId::from(1))
        }
    }

    fn scope(
        client: Option<&str>,
        openim_admin: bool,
        named: Option<&str>,
    ) -> Result<(i64, Option<i64>), MessageCenterError> {
        let scope = of_tenant(7, client).tenant_scope(named, openim_admin, &Settings::default())?;
        Ok((scope.tenant.0, scope.limit().map(|tenant| tenant.0)))
    }

    #[test]
    fn only_the_operators_client_and_openim_administrators_name_another_tenant() {
        let foreign = |named: &str| Err(MessageCenterError::ForeignTenant(named.to_owned()));
        assert_eq!(scope(None, false, None), Ok((7, Some(7))));
        assert_eq!(scope(None, false, Some("7")), Ok((7, Some(7))));
        assert_eq!(scope(Some("xcan_tp"), false, Some("8")), foreign("8"));
        assert_eq!(scope(None, false, Some("x")), foreign("x"));
        for (client, openim_admin) in [(Some("xcan_op"), false), (None, true)] {
            let scope = |named| scope(client, openim_admin, named);
            assert_eq!(scope(None), Ok((7, None)));
            assert_eq!(scope(Some("8")), Ok((8, Some(8))));
            assert_eq!(scope(Some("7")), Ok((7, Some(7))), "a named tenant is the only one");
            assert_eq!(scope(Some("x")).unwrap_err().key(), "param_binding_error");
        }
    }

    #[test]
    fn without_an_operators_client_a_client_without_a_name_is_none() {
        let mut settings = Settings::default();
        settings.message_center.operator_client_id = String::new();
        let scope = of_tenant(7, Some("")).tenant_scope(None, false, &settings).unwrap();
        assert!(!scope.above);
    }

    #[test]
    fn a_path_or_body_names_a_tenant_of_the_scope_or_is_refused() {
        let check = |any, named| TenantScope { tenant: TenantId(7), any, above: any }.check(TenantId(named));
        assert_eq!(check(false, 7), Ok(()));
        assert_eq!(check(false, 8), Err(MessageCenterError::OutOfScope(TenantId(8))));
        assert_eq!(check(true, 8), Ok(()));
    }
}
