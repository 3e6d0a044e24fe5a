//! Time zones, which the edge takes from the runtime instead of a database of its own.

use anyhow::Result;

use super::{probe, setup::Setup};
use crate::{check::same, profile::Profile};

/// 1900, 1970, the seconds around a change of clocks in Europe, and a day in November.
const INSTANTS: [i64; 5] = [-2_208_988_800_000, 0, 1_743_296_399_000, 1_743_296_400_000, 1_795_485_600_000];

/// The clocks at these instants, from the IANA database.
const SHOWN: [(&str, [&str; 5]); 5] = [
    (
        "UTC",
        [
            "1900-01-01 00:00:00",
            "1970-01-01 00:00:00",
            "2025-03-30 00:59:59",
            "2025-03-30 01:00:00",
            "2026-11-24 02:00:00",
        ],
    ),
    (
        "Asia/Shanghai",
        [
            "1900-01-01 08:05:43",
            "1970-01-01 08:00:00",
            "2025-03-30 08:59:59",
            "2025-03-30 09:00:00",
            "2026-11-24 10:00:00",
        ],
    ),
    (
        "Europe/Berlin",
        [
            "1900-01-01 01:00:00",
            "1970-01-01 01:00:00",
            "2025-03-30 01:59:59",
            "2025-03-30 03:00:00",
            "2026-11-24 03:00:00",
        ],
    ),
    (
        "America/Sao_Paulo",
        [
            "1899-12-31 20:53:32",
            "1969-12-31 21:00:00",
            "2025-03-29 21:59:59",
            "2025-03-29 22:00:00",
            "2026-11-23 23:00:00",
        ],
    ),
    (
        "Asia/Kathmandu",
        [
            "1900-01-01 05:41:16",
            "1970-01-01 05:30:00",
            "2025-03-30 06:44:59",
            "2025-03-30 06:45:00",
            "2026-11-24 07:45:00",
        ],
    ),
];

pub(super) async fn clocks_show_what_the_iana_database_says(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    for (zone, shown) in SHOWN {
        same(probe::clocks(&world, zone, &INSTANTS).await?, shown, zone)?;
    }
    same(probe::clocks(&world, "Mars/Olympus", &INSTANTS).await?, ["no such zone"], "a zone that is none")?;
    runtime.stop().await?;
    Ok(format!("{} instants in {} zones", INSTANTS.len(), SHOWN.len()))
}
