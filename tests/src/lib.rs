//! The black-box conformance suite of Rollcall.
//!
//! It knows the published documents and the wire, and nothing of the crates that implement them: a
//! field renamed on both sides would pass a suite that shared their types. The subject is chosen at run
//! time: a binary that the suite starts, a command line that serves the same thing elsewhere, or a
//! server that is already running.
//!
//! | module | idea |
//! |---|---|
//! | [`settings`], [`profile`] | which configuration a case needs, and whether a server has it |
//! | [`subject`] | start, wait for, stop a server |
//! | [`postgres`] | the engine that a subject may keep its data in |
//! | [`http`], [`ws`], [`stomp`], [`answer`], [`jwt`], [`proto`] | the suite's own idea of the wire |
//! | [`transcript`], [`mask`], [`compare`] | what was said, made comparable between two subjects |
//! | [`world`] | what a case holds in its hands |
//! | [`console`] | the suite's own idea of the message center |
//! | [`cases`], [`runner`] | the cases, and which of them run at the same time |
//! | [`size`] | small populations in the usual run, large ones when asked for |
//! | [`edge_only`] | what only the edge can do wrong: hibernation, crashes, races, faults |
//! | [`self_check`] | whether a changed answer turns the comparison red |
#![forbid(unsafe_code)]

pub mod answer;
pub mod balancer;
pub mod cases;
pub mod check;
pub mod compare;
pub mod console;
pub mod edge_only;
pub mod http;
pub mod jwt;
pub mod leak;
pub mod mask;
pub mod postgres;
pub mod profile;
pub mod proto;
pub mod runner;
pub mod self_check;
pub mod settings;
pub mod size;
pub mod stomp;
pub mod subject;
pub mod transcript;
pub mod vectors;
pub mod world;
pub mod ws;
