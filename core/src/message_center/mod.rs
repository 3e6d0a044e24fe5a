//! The message center's own rules: callers, permissions, orders and errors.
//!
//! Questions about records are in [`crate::directory`], commands to users in [`crate::user`]. Rules:
//! `docs/rules/message-center.md`.

mod bearer;
mod error;
mod force_off;
mod introspection;
mod notice;
mod permission;
mod principal;

pub use bearer::{static_token, token_of};
pub use error::MessageCenterError;
pub use force_off::{IDS_LIMIT, Order, Receivers};
pub use introspection::{Introspected, NEGATIVE_CACHE, read as read_introspection};
pub use notice::close_notice;
pub(crate) use notice::to_receiver;
pub use permission::{CallerAction, authorize};
pub use principal::{Principal, TenantScope};
