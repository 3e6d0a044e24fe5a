//! What an entry holds beside what is asked for: bounded, whatever a caller sends.

use std::net::IpAddr;

use serde::Serialize;

use crate::{
    id::{ConnId, UserId},
    platform::Platform,
    token::TokenHash,
};

/// The most ids, and the most hashes, that an entry lists of those that an order names.
pub const SHOWN: usize = 20;

/// The details of an entry. They are written once, and never read but by people and their programs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Who gave the order.
    pub by: Giver,
    /// The address that it came from, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<IpAddr>,
    /// What the order names.
    pub selection: Selection,
    /// What became of imported lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
}

/// The caller of the route that took the order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Giver {
    /// The user of the token.
    pub user_id: UserId,
    /// The hash of the token, whose text is kept nowhere.
    pub token_sha256: TokenHash,
}

/// What an order names. Lists are cut at [`SHOWN`].
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// The kind of the receivers, as the message center names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receivers: Option<&'static str>,
    /// What an order to a selection takes of each user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// What it selects, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// Why it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For how many seconds its users are denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_seconds: Option<u32>,
    /// The first ids of receivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// How many ids the order names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids_total: Option<usize>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The platform.
    #[serde(rename = "platformID", skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The connection.
    #[serde(rename = "connID", skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnId>,
    /// The hashes of the first tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<TokenHash>,
    /// How many tokens the order names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256_total: Option<usize>,
    /// The number of shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u32>,
}

/// What became of imported lines.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Records {
    /// Those that were taken.
    pub taken: u64,
    /// Those that were not.
    pub rejected: u64,
}

impl Selection {
    /// These receivers.
    #[must_use]
    pub fn receivers(kind: &'static str, ids: &[i64]) -> Self {
        Self {
            receivers: Some(kind),
            ids: ids.iter().take(SHOWN).map(i64::to_string).collect(),
            ids_total: (!ids.is_empty()).then_some(ids.len()),
            ..Self::default()
        }
    }

    /// This user.
    #[must_use]
    pub fn user(user: &UserId) -> Self {
        Self { user_id: Some(user.clone()), ..Self::default() }
    }

    /// These tokens of it.
    #[must_use]
    pub fn tokens(self, tokens: &[TokenHash]) -> Self {
        Self {
            sha256: tokens.iter().take(SHOWN).copied().collect(),
            sha256_total: (!tokens.is_empty()).then_some(tokens.len()),
            ..self
        }
    }
}

impl Details {
    /// The text that is stored. It is an object, also where it cannot be written.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}
