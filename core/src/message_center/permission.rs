//! Who may do what (`docs/rules/message-center.md#authentication`).

use super::{Fault, Principal};
use crate::config::{MessageCenter, Profile};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A page of records.
    List,
    /// The same with the search's way to match.
    Search,
    /// One user's record.
    Detail,
    /// Taking users offline.
    ForceOff,
    /// The routes under `/admin/v1`.
    Administer,
}

/// Whether `who` may. `own` says that the request is about nobody but themselves.
///
/// # Errors
/// [`Fault::Forbidden`].
pub fn may(who: &Principal, deed: Deed, own: bool, settings: &MessageCenter) -> Result<(), Fault> {
    let holds =
        |named: &str, operation: &str| who.permissions.iter().any(|held| held == named || held == operation);
    let allowed = match deed {
        Deed::Administer => who.administers(),
        _ if who.administers() || own || settings.profile == Profile::Open => true,
        Deed::List => holds(&settings.permission_read, "message:center:online:list"),
        Deed::Search => holds(&settings.permission_read, "message:center:online:search"),
        Deed::Detail => holds(&settings.permission_read, "message:center:online:detail"),
        Deed::ForceOff => holds(&settings.permission_off, "message:center:offline"),
    };
    if allowed { Ok(()) } else { Err(Fault::Forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    const ALL: [Deed; 5] = [Deed::List, Deed::Search, Deed::Detail, Deed::ForceOff, Deed::Administer];

    fn allowed(who: &Principal, own: bool, profile: Profile) -> Vec<Deed> {
        let settings = MessageCenter { profile, ..MessageCenter::default() };
        ALL.into_iter().filter(|deed| may(who, *deed, own, &settings).is_ok()).collect()
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
        assert_eq!(secure(&["OnlineUser"]), [Deed::List, Deed::Search, Deed::Detail]);
        assert_eq!(secure(&["SignOut"]), [Deed::ForceOff]);
        assert_eq!(secure(&["message:center:online:search"]), [Deed::Search]);
        assert_eq!(secure(&["message:center:offline"]), [Deed::ForceOff]);
        assert_eq!(secure(&["onlineuser"]), []);
    }

    #[test]
    fn everybody_may_do_to_themselves_and_in_the_open_profile_to_all() {
        assert_eq!(allowed(&holding(&[]), true, Profile::Secure), ALL[..4]);
        assert_eq!(allowed(&holding(&[]), false, Profile::Open), ALL[..4]);
    }
}
