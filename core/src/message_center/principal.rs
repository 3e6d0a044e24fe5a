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

    /// The tenant of the request. `named` is the header `XC-Opt-Tenant-Id`.
    ///
    /// # Errors
    /// When a client other than the operator's names another tenant than the holder's own.
    pub fn operating_tenant(
        &self,
        named: Option<&str>,
        settings: &Settings,
    ) -> Result<TenantId, MessageCenterError> {
        let Some(named) = named else { return Ok(self.tenant) };
        let tenant = named.trim().parse().map(TenantId);
        if tenant.as_ref() == Ok(&self.tenant) {
            return Ok(self.tenant);
        }
        if self.client.as_deref() != Some(settings.message_center.operator_client_id.as_str()) {
            return Err(MessageCenterError::ForeignTenant(named.to_owned()));
        }
        tenant.map_err(|_| MessageCenterError::Binding {
            field: "XC-Opt-Tenant-Id",
            rejected: named.to_owned(),
        })
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

    #[test]
    fn only_the_operators_client_names_another_tenant() {
        let settings = Settings::default();
        let named = |client, named| of_tenant(7, client).operating_tenant(named, &settings);
        assert_eq!(named(None, None), Ok(TenantId(7)));
        assert_eq!(named(None, Some("7")), Ok(TenantId(7)));
        assert_eq!(named(Some("xcan_tp"), Some("8")), Err(MessageCenterError::ForeignTenant("8".into())));
        assert_eq!(named(None, Some("x")), Err(MessageCenterError::ForeignTenant("x".into())));
        assert_eq!(named(Some("xcan_op"), Some("8")), Ok(TenantId(8)));
        assert_eq!(named(Some("xcan_op"), Some("x")).unwrap_err().key(), "param_binding_error");
    }
}
