//! Dates as people write them, in the configured zone (`docs/rules/message-center.md#dates`).
//!
//! The calendar is jiff's: `jiff_core` is that and no more, where jiff itself brings its own readers and a hundred kinds of errors
//! into the worker's module. A zone has nothing but its offset at an instant: the Workers runtime has the IANA database already,
//! and the origin takes the one that comes with jiff (`iana`).

#[cfg(any(test, feature = "iana"))]
pub mod iana;

use std::{fmt, str::FromStr, sync::Arc};

use jiff_core::civil::{Date, Time, UnixEpochDay};

use crate::time::Timestamp;

/// A date as it is written.
const DATE: &str = "2025-07-16";
/// Seconds of a day.
const DAY_SECS: i64 = 86_400;
/// The first second of the calendar, and the last.
const CALENDAR: (i64, i64) =
    (UnixEpochDay::MIN.day() as i64 * DAY_SECS, UnixEpochDay::MAX.day() as i64 * DAY_SECS + DAY_SECS - 1);

/// The clocks of a place.
pub trait Offsets: Send + Sync {
    /// How far its clocks are ahead of UTC at an instant, in seconds.
    fn at(&self, instant: Timestamp) -> i64;
}

/// The zone of `message_center.time_zone`; UTC by default.
#[derive(Clone, Default)]
pub struct Zone(Option<Arc<dyn Offsets>>);

/// There is no zone of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message_center.time_zone: expected the IANA name of a zone, such as Asia/Shanghai, and not {0:?}")]
pub struct UnknownZone(pub String);

impl Zone {
    /// The zone with these clocks.
    pub fn of(offsets: impl Offsets + 'static) -> Self {
        Self(Some(Arc::new(offsets)))
    }

    /// `yyyy-MM-dd HH:mm:ss` in this zone, rounded down to the second.
    ///
    /// Instants outside the years -9999 to 9999 print as the nearest one inside.
    pub fn format(&self, instant: Timestamp) -> String {
        // Offsets are asked for inside the calendar only.
        let secs = in_calendar(instant.secs());
        let local = in_calendar(secs + self.offset(secs));
        let (date, clock) = (date_at(local), local.rem_euclid(DAY_SECS));
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }

    /// Reads `yyyy-MM-dd`, `yyyy-MM-dd HH:mm` and `yyyy-MM-dd HH:mm:ss`, with a `T` for the blank too, in this zone, and RFC
    /// 3339 with an offset, which may lack its colon or the seconds before it.
    ///
    /// A date alone is its 00:00:00. A fraction is cut off, since dates compare by the second. A local time that a clock
    /// change skips is taken as the later clock shows it, one that comes twice as its first occurrence. `None` for anything
    /// else.
    pub fn parse(&self, text: &str) -> Option<Timestamp> {
        let (date, rest) = text.split_at_checked(DATE.len())?;
        let (time, offset) =
            if rest.is_empty() { ((0, 0, 0), rest) } else { time(rest.strip_prefix([' ', 'T', 't'])?)? };
        let local = reading(date, time)?;
        let secs = if offset.is_empty() { self.instant_of(local) } else { local - utc_offset(offset)? };
        Some(Timestamp::from_secs(secs))
    }

    /// When the clocks show a local time, see [`Zone::parse`].
    fn instant_of(&self, local: i64) -> i64 {
        // Clocks change by less than a day, and not twice within two.
        let (before, after) = (self.offset(local - DAY_SECS), self.offset(local + DAY_SECS));
        let shown = [before, after]
            .map(|offset| local - offset)
            .into_iter()
            .filter(|secs| secs + self.offset(*secs) == local);
        shown.min().unwrap_or(local - before)
    }

    fn offset(&self, secs: i64) -> i64 {
        self.0.as_ref().map_or(0, |offsets| offsets.at(Timestamp::from_secs(secs)))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Zone" } else { "Zone(UTC)" })
    }
}

/// The same instant, or the calendar's first or last second.
fn in_calendar(secs: i64) -> i64 {
    let (first, last) = CALENDAR;
    secs.clamp(first, last)
}

/// The date of a second in the calendar.
fn date_at(secs: i64) -> Date {
    let day = i32::try_from(secs.div_euclid(DAY_SECS)).ok().and_then(|day| UnixEpochDay::new(day).ok());
    day.unwrap_or(UnixEpochDay::MAX).to_date()
}

/// `yyyy-MM-dd` and a time of day, as seconds after the epoch on the same clock; `None` for a date outside the calendar or a time
/// on no clock.
fn reading(date: &str, (hour, minute, second): (i8, i8, i8)) -> Option<i64> {
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let is_whole = date.next().is_none();
    let day = Date::new(year, month, day).ok().filter(|_| is_whole)?.to_unix_epoch_day().day();
    let clock = Time::new(hour, minute, second, 0).ok()?.to_second().second();
    Some(i64::from(day) * DAY_SECS + i64::from(clock))
}

/// `HH:mm` or `HH:mm:ss`, the latter with or without a fraction; what follows is the offset.
fn time(text: &str) -> Option<((i8, i8, i8), &str)> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, rest) = rest.split_at_checked(2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (second, rest) = rest.split_at_checked(2)?;
            (second, fraction(rest)?)
        }
        None => ("00", rest),
    };
    Some(((digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?), rest))
}

/// A number of exactly so many digits.
fn digits<T: FromStr>(text: &str, count: usize) -> Option<T> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Skips `.123`; what follows is the offset.
fn fraction(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix('.') else { return Some(text) };
    let offset = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    (offset.len() < rest.len()).then_some(offset)
}

/// `Z`, `+hh:mm` or `+hhmm`, in seconds. A blank stands for a plus that a query string decoder took for a space.
fn utc_offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let sign = match sign {
        "+" | " " => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').or_else(|| rest.split_at_checked(2))?;
    let (hours, minutes): (i64, i64) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shanghai() -> Zone {
        iana::zone("Asia/Shanghai").unwrap()
    }

    #[test]
    fn all_forms_of_one_instant_are_equal() {
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
            "2025-07-16 10:00",
            "2025-07-16T10:00",
            "2025-07-16T10:00:00.5",
            "2025-07-16T10:00:00+0800",
            "2025-07-16T10:00:00.25+0800",
            "2025-07-16T02:00Z",
            "2025-07-16T02:00+0000",
            "2025-07-16T02:00 0000",
            "2025-07-15T21:30-0430",
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
            "2025-07",
            "2025-07-16 ",
            "2025-07-16T",
            "2025-07-16Z",
            "2025-07-16+08:00",
            "2025-07-16 10",
            "2025-07-16 10:0",
            "2025-07-16 10:00:",
            "2025-07-16 10:00.5",
            "2025-7-16 10:00:00",
            "2025-7-16",
            "2025-02-30 10:00:00",
            "2025-07-16 24:00:00",
            "2025-07-16 10:00:60",
            "2025-07-16X10:00:00",
            "2025-07-16 10:00:00.",
            "2025-07-16T10:00:00.Z",
            "2025-07-16T10:00:00+24:00",
            "2025-07-16T10:00:00+08",
            "2025-07-16T10:00:00+080",
            "2025-07-16T10:00:00+08000",
            "2025-07-16T10:00:00+08:0",
            "2025-07-16T10:00:00Z ",
            "٢٠٢٥-07-16 10:00:00",
            "1752631200",
        ] {
            assert_eq!(shanghai().parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_alone_is_its_midnight_in_the_zone() {
        let midnight = Some(Timestamp::from_secs(1_752_595_200));
        assert_eq!(shanghai().parse("2025-07-16"), midnight);
        assert_eq!(shanghai().parse("2025-07-16 00:00:00"), midnight);
        // The clocks of Asunción went from 00:00 to 01:00 on that day.
        let asuncion = iana::zone("America/Asuncion").unwrap();
        assert_eq!(asuncion.format(asuncion.parse("2023-10-01").unwrap()), "2023-10-01 01:00:00");
    }

    #[test]
    fn a_skipped_local_time_and_a_doubled_one_have_one_meaning() {
        let berlin = iana::zone("Europe/Berlin").unwrap();
        assert_eq!(berlin.format(berlin.parse("2025-03-30 02:30:00").unwrap()), "2025-03-30 03:30:00");
        assert_eq!(berlin.parse("2025-10-26 02:30:00"), berlin.parse("2025-10-26T02:30:00+02:00"));
    }

    #[test]
    fn an_unknown_zone_is_named() {
        assert_eq!(iana::zone("Mars/Olympus").err(), Some(UnknownZone("Mars/Olympus".into())));
    }

    #[test]
    fn instants_beyond_all_calendars_print_as_the_last_one_inside() {
        assert_eq!(shanghai().format(Timestamp::from_millis(i64::MAX)), "9999-12-31 23:59:59");
        assert_eq!(Zone::default().format(Timestamp::from_millis(i64::MIN)), "-9999-01-01 00:00:00");
    }

    #[test]
    fn every_local_time_means_what_the_database_says() {
        use proptest::prelude::*;
        const NAMES: [&str; 6] = [
            "UTC",
            "Asia/Shanghai",
            "Europe/Berlin",
            "America/St_Johns",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
        ];
        proptest!(ProptestConfig::with_cases(crate::size::sized(400, 4_000)), |(name in prop::sample::select(&NAMES[..]), secs in -2_000_000_000_i64..8_000_000_000)| {
            let zone = iana::zone(name).unwrap();
            let database = jiff::tz::TimeZone::get(name).unwrap();
            let local = database.to_datetime(jiff::Timestamp::from_second(secs).unwrap());
            let text = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
            prop_assert_eq!(zone.format(Timestamp::from_secs(secs)), &text[..]);
            let meant = database.to_timestamp(local).unwrap().as_second();
            prop_assert_eq!(zone.parse(&text), Some(Timestamp::from_secs(meant)));
        });
    }

    #[test]
    fn around_a_change_of_clocks_every_minute_means_what_the_database_says() {
        for (name, change) in [
            ("Europe/Berlin", 1_743_296_400),
            ("Europe/Berlin", 1_761_440_400),
            ("Australia/Lord_Howe", 1_759_591_800),
        ] {
            let (zone, database) = (iana::zone(name).unwrap(), jiff::tz::TimeZone::get(name).unwrap());
            let noon = database.to_datetime(jiff::Timestamp::from_second(change - 10_000).unwrap());
            for minute in 0..360 {
                let local = noon.checked_add(jiff::SignedDuration::from_mins(minute)).unwrap();
                let meant = database.to_timestamp(local).unwrap().as_second();
                let text = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
                assert_eq!(zone.parse(&text), Some(Timestamp::from_secs(meant)), "{name} {text}");
            }
        }
    }
}
