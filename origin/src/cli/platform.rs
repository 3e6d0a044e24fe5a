//! Platforms on the command line: by number or by name.

use rollcall_core::platform::Platform;

/// Reads the value of `--platform`.
///
/// # Errors
/// A text for the person who typed it.
pub(super) fn parse(text: &str) -> Result<Platform, String> {
    let by_number = text.parse().ok().and_then(Platform::from_number);
    by_number.or_else(|| Platform::from_name(text)).ok_or_else(|| {
        let known = Platform::ALL.map(|platform| format!("{} {}", platform.number(), platform.name()));
        format!("expected a number or a name: {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_has_a_number_and_a_name() {
        for text in ["5", "Web", "web"] {
            assert_eq!(parse(text), Ok(Platform::Web), "{text}");
        }
        for text in ["0", "12", "", "Browser", "5 Web"] {
            assert!(parse(text).unwrap_err().contains("5 Web, 6 MiniWeb"), "{text}");
        }
    }
}
