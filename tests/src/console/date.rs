//! Dates as the message center prints them.
//!
//! Only zones without clock changes are known here: the suite must not need a time zone database to judge one.

use anyhow::{Context as _, Result};

/// Seconds east of Greenwich, for the zones that profiles use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(i64);

impl Zone {
    /// A zone by its IANA name; `None` for one that the suite does not know.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "UTC" => Some(Self(0)),
            "Asia/Shanghai" => Some(Self(8 * 3600)),
            _ => None,
        }
    }

    /// `yyyy-MM-dd HH:mm:ss` at a unix time.
    pub fn print(self, unix: i64) -> String {
        let local = unix + self.0;
        let (year, month, day) = date_of(local.div_euclid(86_400));
        let second = local.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }

    /// RFC 3339 with this zone's offset.
    pub fn rfc3339(self, unix: i64) -> String {
        let offset = match self.0 {
            0 => "Z".to_owned(),
            seconds => format!("+{:02}:{:02}", seconds / 3600, seconds / 60 % 60),
        };
        format!("{}{offset}", self.print(unix).replace(' ', "T"))
    }

    /// The unix time of a date in exactly the printed form.
    pub fn read(self, text: &str) -> Result<i64> {
        let wrong = || format!("{text:?} is not yyyy-MM-dd HH:mm:ss");
        let form = "0000-00-00 00:00:00";
        let fits = text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            });
        let numbers: Option<Vec<i64>> = text.split(['-', ' ', ':']).map(|part| part.parse().ok()).collect();
        let numbers = numbers.filter(|_| fits).with_context(wrong)?;
        let &[year, month, day, hour, minute, second] = numbers.as_slice() else {
            return Err(anyhow::anyhow!(wrong()));
        };
        let unix = days_of(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - self.0;
        // A day that does not exist reads as another one.
        Some(unix).filter(|unix| self.print(*unix) == text).with_context(wrong)
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Counted from 1 March, so that the leap day is a year's last.
    let year = if month <= 2 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let day_of_year = (153 * since_march + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The reverse of [`days_of`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while days_of(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days_of(year, *month, 1) <= days).unwrap_or(1);
    (year, month, days - days_of(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_both_zones_are_printed_and_read() {
        let (utc, shanghai) = (Zone::named("UTC").unwrap(), Zone::named("Asia/Shanghai").unwrap());
        assert_eq!(utc.print(0), "1970-01-01 00:00:00");
        assert_eq!(utc.print(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(utc.print(4_102_444_799), "2099-12-31 23:59:59");
        assert_eq!(shanghai.print(1_752_631_200), "2025-07-16 10:00:00");
        assert_eq!(shanghai.rfc3339(1_752_631_200), "2025-07-16T10:00:00+08:00");
        assert_eq!(utc.rfc3339(1_752_631_200), "2025-07-16T02:00:00Z");
        for unix in (0..2_000_000_000).step_by(1_234_567) {
            assert_eq!(utc.read(&utc.print(unix)).unwrap(), unix);
            assert_eq!(shanghai.read(&shanghai.print(unix)).unwrap(), unix);
        }
    }

    #[test]
    fn other_forms_are_not_read() {
        let utc = Zone::named("UTC").unwrap();
        for text in
            ["2025-07-16T10:00:00", "2025-7-16 10:00:00", "2025-02-30 10:00:00", "2025-07-16 24:00:00", ""]
        {
            assert!(utc.read(text).is_err(), "{text}");
        }
        assert!(Zone::named("Europe/Berlin").is_none());
    }
}
