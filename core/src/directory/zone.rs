//! Dates as people write them, in the configured zone (`docs/rules/message-center.md#dates`).

use jiff::{
    civil,
    tz::{Offset, TimeZone},
};

use crate::time::Timestamp;

/// The zone of `message_center.time_zone`, from the bundled IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The IANA database has no zone of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time zone is called {0:?}")]
pub struct UnknownZone(pub String);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// The zone with this IANA name, such as `Asia/Shanghai`.
    ///
    /// # Errors
    /// When the bundled database does not know the name.
    pub fn new(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// `yyyy-MM-dd HH:mm:ss` in this zone, rounded down to the second.
    ///
    /// Instants outside the years -9999 to 9999 print as the nearest one inside.
    pub fn format(&self, instant: Timestamp) -> String {
        let edge = if instant.millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let local = self.0.to_datetime(jiff::Timestamp::from_second(instant.secs()).unwrap_or(edge));
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        )
    }

    /// Reads `yyyy-MM-dd HH:mm:ss` and `yyyy-MM-ddTHH:mm:ss` in this zone, and RFC 3339 with an offset.
    ///
    /// A fraction is cut off, since dates compare by the second. A local time that a clock change skips is
    /// taken as the later clock shows it, one that comes twice as its first occurrence. `None` for anything
    /// else.
    pub fn parse(&self, text: &str) -> Option<Timestamp> {
        let (date, rest) = text.split_at_checked(10)?;
        let (time, tail) = rest.strip_prefix([' ', 'T', 't'])?.split_at_checked(8)?;
        let local = civil_date(date)?.to_datetime(civil_time(time)?);
        let instant = match fraction(tail)? {
            "" if tail.is_empty() => self.0.to_timestamp(local),
            offset => utc_offset(offset)?.to_timestamp(local),
        };
        instant.ok().map(|instant| Timestamp::from_secs(instant.as_second()))
    }
}

/// Reads RFC 3339, whose offset says which instant is meant; cut off to the second.
pub fn instant(text: &str) -> Option<Timestamp> {
    const WITHOUT_OFFSET: usize = "2025-07-16T09:00:00".len();
    if text.len() > WITHOUT_OFFSET { Zone::default().parse(text) } else { None }
}

fn civil_date(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() {
        return None;
    }
    civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn civil_time(text: &str) -> Option<civil::Time> {
    let mut parts = text.split(':');
    let mut part = || parts.next().and_then(|part| digits(part, 2)).and_then(|part| i8::try_from(part).ok());
    let (hour, minute, second) = (part()?, part()?, part()?);
    civil::Time::new(hour, minute, second, 0).ok()
}

/// Skips `.123`; what follows is the offset.
fn fraction(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix('.') else { return Some(text) };
    let offset = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    (offset.len() < rest.len()).then_some(offset)
}

/// `Z` or `+hh:mm`. A blank stands for a plus that a query string decoder took for a space.
fn utc_offset(text: &str) -> Option<Offset> {
    if matches!(text, "Z" | "z") {
        return Some(Offset::UTC);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let sign = match sign {
        "+" | " " => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()
}

fn digits(text: &str, count: usize) -> Option<i16> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shanghai() -> Zone {
        Zone::new("Asia/Shanghai").unwrap()
    }

    #[test]
    fn three_forms_of_one_instant_are_equal() {
        let ten = Some(Timestamp::from_secs(1_752_631_200));
        for text in [
            "2025-07-16 10:00:00",
            "2025-07-16T10:00:00",
            "2025-07-16T02:00:00Z",
            "2025-07-16t02:00:00z",
            "2025-07-16T02:00:00.999Z",
            "2025-07-16T10:00:00+08:00",
            "2025-07-16T10:00:00 08:00",
            "2025-07-15T21:30:00-04:30",
        ] {
            assert_eq!(shanghai().parse(text), ten, "{text}");
        }
        assert_eq!(shanghai().format(Timestamp::from_millis(1_752_631_200_999)), "2025-07-16 10:00:00");
        assert_eq!(Zone::default().format(Timestamp::from_millis(-1)), "1969-12-31 23:59:59");
    }

    #[test]
    fn anything_else_is_not_a_date() {
        for text in [
            "",
            "2025-07-16",
            "2025-07-16 10:00",
            "2025-7-16 10:00:00",
            "2025-02-30 10:00:00",
            "2025-07-16 24:00:00",
            "2025-07-16 10:00:60",
            "2025-07-16X10:00:00",
            "2025-07-16 10:00:00.",
            "2025-07-16 10:00:00.5",
            "2025-07-16T10:00:00.Z",
            "2025-07-16T10:00:00+24:00",
            "2025-07-16T10:00:00+0800",
            "2025-07-16T10:00:00Z ",
            "٢٠٢٥-07-16 10:00:00",
            "1752631200",
        ] {
            assert_eq!(shanghai().parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_skipped_local_time_and_a_doubled_one_have_one_meaning() {
        let berlin = Zone::new("Europe/Berlin").unwrap();
        assert_eq!(berlin.format(berlin.parse("2025-03-30 02:30:00").unwrap()), "2025-03-30 03:30:00");
        assert_eq!(berlin.parse("2025-10-26 02:30:00"), berlin.parse("2025-10-26T02:30:00+02:00"));
    }

    #[test]
    fn an_unknown_zone_is_named() {
        assert_eq!(Zone::new("Mars/Olympus"), Err(UnknownZone("Mars/Olympus".into())));
    }
}
