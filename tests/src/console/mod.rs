//! The suite's own idea of the message center: its envelope, its dates, the people of a case, what a filter means,
//! and the issuer of opaque tokens.
//!
//! | module | idea |
//! |---|---|
//! | [`date`] | dates as they are printed, in a zone without clock changes |
//! | [`reply`] | the envelope, and the records in it |
//! | [`fixture`] | people, tenants and records of one case, and the static tokens they need |
//! | [`api`] | a fixture on a subject: records imported, tokens at hand, words for the routes |
//! | [`golden`] | the vectors, played in any fixture |
//! | [`naive`] | what a filter means, said as plainly as possible |
//! | [`spelling`] | the ways in which one question can be written |
//! | [`issuer`] | a small RFC 7662 server |

pub mod api;
pub mod date;
pub mod fixture;
pub mod golden;
pub mod issuer;
pub mod naive;
pub mod reply;
pub mod spelling;
