//! Orders to a selection of connections (`docs/rules/administration.md#orders-to-a-selection`).

mod body;
mod document;
mod give;
mod select;
mod show;

pub(super) use self::{
    give::{__path_give_force_off, give_force_off},
    show::{__path_list_force_offs, __path_show_force_off, list_force_offs, show_force_off},
};
