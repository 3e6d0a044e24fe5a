//! The vectors that change nothing, each as it stands and with encoded brackets.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    console::{api::Api, golden::play},
    world::World,
};

/// One case a vector.
macro_rules! played {
    ($($name:ident $id:literal),+ $(,)?) => {
        pub(super) fn cases() -> Vec<Case> {
            cases![Console, "console": $($name),+]
        }

        $(async fn $name(world: World) -> Result<()> {
            play(&Api::with_fixture(&world).await?, $id).await.map(drop)
        })+
    };
}

played! {
    g01_the_list_shows_the_own_tenant_newest_first "G01",
    g02_detail_is_by_user_id "G02",
    g04_an_unknown_user_is_not_found "G04",
    g06_a_user_id_that_is_no_number_is_refused "G06",
    g08_online_is_not_true "G08",
    g09_online_date_is_after "G09",
    g11_user_id_is_less "G11",
    g12_offline_date_is_not_after_and_null_never_matches "G12",
    g13_match_means_contains "G13",
    g15_not_match_means_does_not_contain "G15",
    g16_not_match_end_means_does_not_begin "G16",
    g17_in_takes_a_comma_list "G17",
    g19_in_takes_a_bracketed_list "G19",
    g20_not_in_excludes "G20",
    g21_is_null_needs_no_value "G21",
    g22_is_not_null_with_order "G22",
    g23_four_filters_are_joined "G23",
    g25_a_date_may_be_rfc_3339 "G25",
    g26_the_second_page_in_ascending_order "G26",
    g28_search_looks_into_both_fields "G28",
    g30_search_really_negates "G30",
    g31_an_unknown_filter_key_is_refused "G31",
    g33_devices_are_not_matched "G33",
    g34_an_unknown_operator_is_refused "G34",
    g36_lists_are_not_sorted_by_device "G36",
    g37_a_page_has_at_most_2000_records "G37",
    g43_a_force_off_needs_a_type "G43",
    g45_a_word_outside_the_enumeration_is_refused "G45",
    g46_a_broadcast_needs_ids "G46",
    g48_a_body_that_is_no_json_is_refused "G48",
    g50_without_a_token_nothing_is_told "G50",
    g52_a_user_may_not_take_others_off "G52",
    g54_the_list_is_not_deleted "G54",
}
