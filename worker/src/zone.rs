//! Time zones, from the runtime's own database: one in the module would be a fifth of it.

/// `GMT`, `GMT+08:00` or `GMT-00:44:30` in seconds east of Greenwich.
#[cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used on the Workers runtime, tested on any")
)]
fn seconds(offset: &str) -> Option<i64> {
    let clock = offset.strip_prefix("GMT")?;
    if clock.is_empty() {
        return Some(0);
    }
    let (sign, clock) = match clock.strip_prefix('-') {
        Some(clock) => (-1, clock),
        None => (1, clock.strip_prefix('+')?),
    };
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    Some(sign * (hours * 3600 + minutes * 60 + seconds))
}

#[cfg(target_arch = "wasm32")]
pub(crate) use runtime::zone;

#[cfg(target_arch = "wasm32")]
mod runtime {
    use rollcall_core::{
        directory::zone::{Offsets, UnknownZone, Zone},
        time::Timestamp,
    };
    use worker::{
        js_sys::{Object, Reflect},
        send::SendWrapper,
    };

    use crate::raw::DateFormat;

    struct Intl(SendWrapper<DateFormat>);

    /// The zone with this IANA name, such as `Asia/Shanghai`.
    pub(crate) fn zone(name: &str) -> Result<Zone, UnknownZone> {
        if name == "UTC" {
            return Ok(Zone::default());
        }
        let format = formatter(name).ok_or_else(|| UnknownZone(name.to_owned()))?;
        Ok(Zone::of(Intl(SendWrapper(format))))
    }

    fn formatter(name: &str) -> Option<DateFormat> {
        // The runtime takes offsets as well, which are no names.
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        let options = Object::new();
        for (key, value) in [("timeZone", name), ("timeZoneName", "longOffset")] {
            Reflect::set(&options, &key.into(), &value.into()).ok()?;
        }
        DateFormat::new("en-US", &options).ok()
    }

    impl Offsets for Intl {
        fn at(&self, instant: Timestamp) -> i64 {
            // A date, then the offset: `7/16/2025, GMT+08:00`.
            #[allow(clippy::cast_precision_loss, reason = "a date of four digits is exact")]
            let text = self.0.0.format(instant.millis() as f64).unwrap_or_default();
            let offset = text.rsplit(' ').next().and_then(super::seconds);
            offset.unwrap_or_else(|| {
                tracing::error!("the runtime does not tell the time zone's offset");
                0
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn offsets_are_read_as_the_runtime_writes_them() {
        for (text, expected) in [
            ("GMT", 0),
            ("GMT+00:00", 0),
            ("GMT+08:00", 28_800),
            ("GMT-04:56:02", -17_762),
            ("GMT-00:44:30", -2_670),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "UTC", "GMT8", "GMT+8", "GMT+x:00", "GMT+08:00:x"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
