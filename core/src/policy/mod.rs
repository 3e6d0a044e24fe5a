//! Login policies: the tokens and connections that a new one excludes (`docs/rules/openim.md#policies`).
//!
//! Pure functions that choose the excluded ones; the aggregate ends them. Platform 10 (administrators) is outside every
//! policy, on both sides.

mod connect;
mod issue;

pub use connect::{Candidate, Verdict, at_connect};
pub use issue::at_issue;

use crate::platform::{Platform, PlatformClass};

/// `presence.multi_login_policy`, with its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginPolicy {
    /// 0: devices do not exclude each other; a platform holds `most` tokens.
    KeepAll {
        /// `presence.max_tokens_per_platform`.
        most: usize,
    },
    /// 1: one login a platform.
    OnePerPlatform,
    /// 4: one login a class of platforms.
    OnePerClass,
    /// 5: computers without limit, and one login of everything else.
    ComputersAndOther,
}

impl LoginPolicy {
    /// The policy with this number; `most` matters to policy 0 only.
    pub fn from_number(number: i64, most: usize) -> Option<Self> {
        match number {
            0 => Some(Self::KeepAll { most }),
            1 => Some(Self::OnePerPlatform),
            4 => Some(Self::OnePerClass),
            5 => Some(Self::ComputersAndOther),
            _ => None,
        }
    }
}

fn is_computer(platform: Platform) -> bool {
    platform.class() == PlatformClass::Pc
}
