//! Zones from the IANA database that comes with a crate.

use jiff::tz::TimeZone;

use super::{Offsets, UnknownZone, Zone};
use crate::time::Timestamp;

struct Iana(TimeZone);

/// The zone with this name, such as `Asia/Shanghai`.
///
/// # Errors
/// When the database does not know the name.
pub fn zone(name: &str) -> Result<Zone, UnknownZone> {
    TimeZone::get(name).map(|zone| Zone::of(Iana(zone))).map_err(|_| UnknownZone(name.to_owned()))
}

impl Offsets for Iana {
    fn at(&self, instant: Timestamp) -> i64 {
        let edge = if instant.secs() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let instant = jiff::Timestamp::from_second(instant.secs()).unwrap_or(edge);
        self.0.to_offset(instant).seconds().into()
    }
}
