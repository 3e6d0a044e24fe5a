//! Permissions of callers (`docs/rules/message-center.md#authentication`).

use super::{MessageCenterError, Principal};
use crate::config::{MessageCenter, Profile};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerAction {
    /// A page of records.
    List,
    /// The same with the search's way to match.
    Search,
    /// One user's record.
    Detail,
    /// Taking users offline.
    ForceOff,
    /// Unlocking, imports, exports, layouts, and users who stand above tenants.
    Administer,
}

/// Checks that `who` has permission for `action`. `own` says that the request concerns no other user.
///
/// # Errors
/// [`MessageCenterError::Forbidden`].
pub fn authorize(
    who: &Principal,
    action: CallerAction,
    own: bool,
    settings: &MessageCenter,
) -> Result<(), MessageCenterError> {
    let holds =
        |named: &str, operation: &str| who.permissions.iter().any(|held| held == named || held == operation);
    let allowed = match action {
        CallerAction::Administer => who.administers(),
        _ if who.administers() || own || settings.profile == Profile::Open => true,
        CallerAction::List => holds(&settings.permission_read, "message:center:online:list"),
        CallerAction::Search => holds(&settings.permission_read, "message:center:online:search"),
        CallerAction::Detail => holds(&settings.permission_read, "message:center:online:detail"),
        CallerAction::ForceOff => holds(&settings.permission_off, "message:center:offline"),
    };
    if allowed { Ok(()) } else { Err(MessageCenterError::Forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    const ALL: [CallerAction; 5] = [
        CallerAction::List,
        CallerAction::Search,
        CallerAction::Detail,
        CallerAction::ForceOff,
        CallerAction::Administer,
    ];

    fn allowed(who: &Principal, own: bool, profile: Profile) -> Vec<CallerAction> {
        let settings = MessageCenter { profile, ..MessageCenter::default() };
        ALL.into_iter().filter(|action| authorize(who, *action, own, &settings).is_ok()).collect()
    }

    fn holding(permissions: &[&str]) -> Principal {
        Principal {
            sys_admin: false,
            permissions: permissions.iter().map(|&text| text.to_owned()).collect(),
            ..Principal::openim_admin(UserId::from(1))
        }
    }

    #[test]
    fn administrators_may_everything_but_not_with_a_personal_token() {
        let admin = Principal::openim_admin(UserId::from(1));
        assert_eq!(allowed(&admin, false, Profile::Secure), ALL);
        let personal = Principal { personal: true, ..admin };
        assert_eq!(allowed(&personal, false, Profile::Secure), []);
    }

    #[test]
    fn permissions_are_spelled_as_functions_or_as_operations() {
        let secure = |permissions: &[&str]| allowed(&holding(permissions), false, Profile::Secure);
        assert_eq!(secure(&[]), []);
        assert_eq!(secure(&["OnlineUser"]), [CallerAction::List, CallerAction::Search, CallerAction::Detail]);
        assert_eq!(secure(&["SignOut"]), [CallerAction::ForceOff]);
        assert_eq!(secure(&["message:center:online:search"]), [CallerAction::Search]);
        assert_eq!(secure(&["message:center:offline"]), [CallerAction::ForceOff]);
        assert_eq!(secure(&["onlineuser"]), []);
    }

    #[test]
    fn everybody_may_do_to_themselves_and_in_the_open_profile_to_all() {
        assert_eq!(allowed(&holding(&[]), true, Profile::Secure), ALL[..4]);
        assert_eq!(allowed(&holding(&[]), false, Profile::Open), ALL[..4]);
    }
}
