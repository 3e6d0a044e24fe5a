//! Accounts: the name and the picture that a back end registers for a user (`docs/rules/openim.md#accounts`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Change, Loaded, NotLoaded, Outcome, Reply, Rules, User};
use crate::{
    directory::{clean, record::NAME_BYTES},
    openim::{Code, OpenImError},
};

/// The longest address of a picture, in bytes.
pub const FACE_URL_BYTES: usize = 2048;

/// A registered user's name and picture; an empty text is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name in the user's records.
    pub nickname: String,
    /// The address of the picture in the user's records.
    pub face_url: String,
}

/// What of an account changes; the rest stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountUpdate {
    /// The new name.
    pub nickname: Option<String>,
    /// The new address of the picture.
    pub face_url: Option<String>,
}

/// A text of an account is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member} is longer than {most} bytes")]
pub struct TooLong {
    member: &'static str,
    most: usize,
}

impl Account {
    /// A new account.
    ///
    /// # Errors
    /// The first text that is too long.
    pub fn new(nickname: &str, face_url: &str) -> Result<Self, TooLong> {
        let update = AccountUpdate::new(Some(nickname), Some(face_url))?;
        Ok(Self::default().updated(&update))
    }

    /// The name, if there is one.
    pub fn name(&self) -> Option<&str> {
        Some(self.nickname.as_str()).filter(|name| !name.is_empty())
    }

    /// The address of the picture, if there is one.
    pub fn picture(&self) -> Option<&str> {
        Some(self.face_url.as_str()).filter(|url| !url.is_empty())
    }

    fn updated(&self, update: &AccountUpdate) -> Self {
        let or = |new: &Option<String>, old: &String| new.as_ref().unwrap_or(old).clone();
        Self {
            nickname: or(&update.nickname, &self.nickname),
            face_url: or(&update.face_url, &self.face_url),
        }
    }
}

impl AccountUpdate {
    /// An update of what is given.
    ///
    /// # Errors
    /// The first text that is too long.
    pub fn new(nickname: Option<&str>, face_url: Option<&str>) -> Result<Self, TooLong> {
        // What is kept is measured: cleaning makes a text longer.
        let bounded = |text: Option<&str>, member, most| match text.map(clean) {
            Some(text) if text.len() > most => Err(TooLong { member, most }),
            text => Ok(text.map(Cow::into_owned)),
        };
        Ok(Self {
            nickname: bounded(nickname, "nickname", NAME_BYTES)?,
            face_url: bounded(face_url, "faceURL", FACE_URL_BYTES)?,
        })
    }
}

impl From<TooLong> for OpenImError {
    fn from(error: TooLong) -> Self {
        Self::new(Code::Args, error.to_string())
    }
}

impl User {
    pub(super) fn register(
        &self,
        account: &Account,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Outcome, NotLoaded> {
        let known = self.account(loaded, rules)?.is_some();
        let changes = if known { Vec::new() } else { vec![Change::Account(account.clone())] };
        Ok(Outcome { changes, ..Outcome::of(Reply::WasRegistered(known)) })
    }

    pub(super) fn update_account(
        &self,
        update: &AccountUpdate,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Outcome, NotLoaded> {
        let account = self.account(loaded, rules)?;
        let known = account.is_some();
        let changes = account.into_iter().map(|account| Change::Account(account.updated(update))).collect();
        Ok(Outcome { changes, ..Outcome::of(Reply::WasRegistered(known)) })
    }

    /// The user's account. Administrators have one by the configuration.
    pub(super) fn account<'a>(
        &self,
        loaded: &'a Loaded,
        rules: &Rules,
    ) -> Result<Option<Cow<'a, Account>>, NotLoaded> {
        let by_configuration = || rules.admins.contains(&self.id).then(|| Cow::Owned(Account::default()));
        Ok(loaded.account()?.map(Cow::Borrowed).or_else(by_configuration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_bounded() {
        assert!(Account::new(&"n".repeat(512), &"f".repeat(2048)).is_ok());
        let error = Account::new(&"n".repeat(513), "").unwrap_err();
        assert_eq!(error.to_string(), "nickname is longer than 512 bytes");
        // Each U+0000 is kept as three bytes.
        assert!(Account::new(&"\0".repeat(170), "").is_ok());
        assert!(Account::new(&"\0".repeat(171), "").is_err());
        let error = AccountUpdate::new(None, Some(&"f".repeat(2049))).unwrap_err();
        assert_eq!(error.to_string(), "faceURL is longer than 2048 bytes");
    }

    #[test]
    fn an_update_leaves_what_it_does_not_name() {
        let account = Account::new("Ada", "https://a.example/1.png").unwrap();
        let named = AccountUpdate::new(Some("Eve\0"), None).unwrap();
        let updated = account.updated(&named);
        assert_eq!(
            (updated.name(), updated.picture()),
            (Some("Eve\u{fffd}"), Some("https://a.example/1.png"))
        );
        let emptied = updated.updated(&AccountUpdate::new(Some(""), Some("")).unwrap());
        assert_eq!((emptied.name(), emptied.picture()), (None, None));
    }
}
