//! The proleptic Gregorian calendar, by arithmetic.

/// Seconds of a day.
pub(super) const DAY_SECS: i64 = 86_400;
/// Days of 400 years, after which the calendar repeats itself.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years begin in March here, so that the leap day is the last of its year.
const EPOCH: i64 = 719_468;

/// A date and a second of its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    /// From 0.
    pub(super) second: i64,
}

impl Civil {
    pub(super) const FIRST: Self = Self { year: -9999, month: 1, day: 1, second: 0 };
    pub(super) const LAST: Self = Self { year: 9999, month: 12, day: 31, second: DAY_SECS - 1 };

    /// Seconds from 1970-01-01 00:00:00 by the same clocks.
    pub(super) const fn local_secs(self) -> i64 {
        // Counted from March: January and February belong to the year before.
        let (year, month) =
            if self.month > 2 { (self.year, self.month - 3) } else { (self.year - 1, self.month + 9) };
        let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
        // From March on, months have 31, 30, 31, 30, 31 days, twice, and what is left of February.
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
        (era * ERA_DAYS + day_of_era - EPOCH) * DAY_SECS + self.second
    }

    /// The inverse of [`Self::local_secs`].
    pub(super) const fn from_local_secs(secs: i64) -> Self {
        let days = secs.div_euclid(DAY_SECS) + EPOCH;
        let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
        Self { year: era * 400 + year, month, day, second: secs.rem_euclid(DAY_SECS) }
    }

    /// `yyyy-MM-dd` and `HH:mm:ss`; `None` for what is in no calendar and on no clock.
    pub(super) fn read(date: &str, time: &str) -> Option<Self> {
        let [year, month, day] = parts(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = parts(time, ':', [2, 2, 2])?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let read = Self { year, month, day, second: hour * 3600 + minute * 60 + second };
        // A date that is none comes back as another one.
        (Self::from_local_secs(read.local_secs()) == read).then_some(read)
    }
}

fn parts(text: &str, between: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        *number = digits(parts.next()?, length)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A number of exactly so many digits.
pub(super) fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_every_year_there_and_back() {
        let mut day = Civil::FIRST.local_secs() / DAY_SECS;
        let mut before = Civil::from_local_secs((day - 1) * DAY_SECS);
        while day * DAY_SECS < Civil::LAST.local_secs() {
            let civil = Civil::from_local_secs(day * DAY_SECS);
            assert_eq!(civil.local_secs(), day * DAY_SECS);
            let next_day =
                (civil.year, civil.month, civil.day) == (before.year, before.month, before.day + 1);
            let next_month = civil.day == 1 && (28..=31).contains(&before.day);
            assert!(next_day || next_month, "{before:?} is followed by {civil:?}");
            (before, day) = (civil, day + 1);
        }
    }
}
