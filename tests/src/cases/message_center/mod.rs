//! The message-center online API.
//!
//! A case that leaves traces (a force-off marks users for good) is listed in `with_own_fixture` and has a fixture of its own;
//! all others read the shared fixture and must leave it as it is.

use super::Case;

mod administration;
pub(super) mod audit;
mod auth;
mod crowd;
mod denials;
mod detail;
mod filter_forms;
mod filters;
mod force_off;
mod force_off_body;
mod force_off_circles;
mod force_off_many;
mod force_off_tenant;
mod import;
mod introspection;
mod limits;
mod open;
mod paging;
mod parameters;
mod permission;
mod proxies;
mod published;
mod resolver;
mod search;
mod selections;
mod socket;
mod sockjs;
mod stomp;
mod surface;
mod tenants;
mod vectors;
mod vectors_off;
mod walls;
mod walls_of_orders;

/// Every case, in the order of the files.
pub(super) fn cases() -> Vec<Case> {
    let files: [fn() -> Vec<Case>; 17] = [
        vectors::cases,
        published::cases,
        filters::cases,
        filter_forms::cases,
        limits::cases,
        parameters::cases,
        paging::cases,
        search::cases,
        detail::cases,
        surface::cases,
        administration::cases,
        auth::cases,
        permission::cases,
        tenants::cases,
        force_off_body::cases,
        crowd::cases,
        audit::reading,
    ];
    files.iter().flat_map(|file| file()).chain(with_own_fixture()).collect()
}

/// The cases that have a fixture of their own.
pub(crate) fn with_own_fixture() -> Vec<Case> {
    let files: [fn() -> Vec<Case>; 18] = [
        vectors_off::cases,
        socket::cases,
        force_off::cases,
        force_off_circles::cases,
        force_off_tenant::cases,
        import::cases,
        open::cases,
        introspection::cases,
        resolver::cases,
        proxies::cases,
        stomp::cases,
        sockjs::cases,
        walls::cases,
        walls_of_orders::cases,
        force_off_many::cases,
        audit::cases,
        selections::cases,
        denials::cases,
    ];
    files.iter().flat_map(|file| file()).collect()
}
