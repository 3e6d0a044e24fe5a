//! What a release module must be: small, and without names of our functions in it.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use wasmparser::{Parser, Payload};

/// The most that the module may weigh when gzipped, in bytes. `docs/performance.md` says what it is made of.
const GZIPPED_LIMIT: usize = 1_000_000;

/// The most that it may weigh as it is, in bytes.
const RAW_LIMIT: usize = 3_000_000;

/// By how much of what was recorded a module may grow without a warning.
const GROWTH: f64 = 0.05;

/// What the tests' probe has in its module, and nothing else may have: the name of its header.
const PROBE: &[u8] = b"X-Rollcall-Probe";

/// A built module.
pub(crate) struct Bundle {
    size: Size,
    debug_sections: Vec<String>,
    has_probe: bool,
}

impl Bundle {
    /// Reads and measures a module.
    pub(crate) fn read(module: &Path) -> Result<Self> {
        let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
        Self::measure(&bytes).with_context(|| format!("{} is not a wasm module", module.display()))
    }

    fn measure(bytes: &[u8]) -> Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes)?;
        let gzipped = encoder.finish()?.len();
        let has_probe = bytes.windows(PROBE.len()).any(|window| window == PROBE);
        let size = Size { raw: bytes.len(), gzipped };
        Ok(Self { size, debug_sections: debug_sections(bytes)?, has_probe })
    }

    /// Fails when the module is not fit for release.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.debug_sections.is_empty() {
            bail!("the release module carries debug names: section {}", self.debug_sections.join(", "));
        }
        if self.has_probe {
            bail!("the release module has the tests' probe in it: anybody could look into its objects");
        }
        for (what, size, limit) in
            [("gzipped", self.size.gzipped, GZIPPED_LIMIT), ("as it is", self.size.raw, RAW_LIMIT)]
        {
            if size > limit {
                bail!("the module has {size} bytes {what}, more than {limit}");
            }
        }
        Ok(())
    }

    /// Its size.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Fails when the module is not fit for tests that look into objects.
    pub(crate) fn check_probe(&self) -> Result<()> {
        if !self.has_probe {
            bail!("the module for tests has no probe in it");
        }
        Ok(())
    }
}

/// Bytes of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Size {
    raw: usize,
    gzipped: usize,
}

impl Size {
    /// Reads what [`Size::record`] wrote.
    pub(crate) fn recorded(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not a size", file.display()))
    }

    /// Writes it down for later builds to be compared with.
    pub(crate) fn record(self, file: &Path) -> Result<()> {
        let Self { raw, gzipped } = self;
        let text = format!(
            "# Bytes of the release module, written by `cargo xtask edge build --record`. A build that is more than \
             {:.0} % over\n# them says so.\nraw = {raw}\ngzipped = {gzipped}\n",
            GROWTH * 100.0
        );
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// What to say of a module that has grown by more than [`GROWTH`].
    pub(crate) fn growth_over(self, recorded: Self) -> Option<String> {
        let pairs = [("gzipped", self.gzipped, recorded.gzipped), ("as it is", self.raw, recorded.raw)];
        let grown = pairs.into_iter().find(|(_, now, before)| *now as f64 > *before as f64 * (1.0 + GROWTH));
        grown.map(|(what, now, before)| {
            format!(
                "the module has {} KB {what}, more than {:.0} % over the recorded {} KB: if that is worth it, record it \
                 by `cargo xtask edge build --record`",
                kilobytes(now),
                GROWTH * 100.0,
                kilobytes(before)
            )
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [raw, gzipped, raw_limit, limit] =
            [self.raw, self.gzipped, RAW_LIMIT, GZIPPED_LIMIT].map(kilobytes);
        write!(f, "{raw} KB (limit {raw_limit} KB), gzipped {gzipped} KB (limit {limit} KB)")
    }
}

fn kilobytes(bytes: usize) -> usize {
    bytes.div_ceil(1000)
}

/// The custom sections that hold names or debug information.
fn debug_sections(bytes: &[u8]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CustomSection(section) = payload? {
            let name = section.name();
            if name == "name" || name == "external_debug_info" || name.starts_with(".debug") {
                found.push(name.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_module_for_tests_has_the_probe() {
        let with = Bundle::measure(&module_with("x X-Rollcall-Probe y")).unwrap();
        let without = Bundle::measure(&module_with("x X-Rollcall y")).unwrap();
        assert!(with.check().is_err() && with.check_probe().is_ok());
        assert!(without.check().is_ok() && without.check_probe().is_err());
    }

    fn module_with(section: &str) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        let length = u8::try_from(section.len()).unwrap();
        bytes.extend([0, length + 1, length]);
        bytes.extend(section.bytes());
        bytes
    }

    #[test]
    fn a_module_with_a_name_section_is_refused() {
        assert!(Bundle::measure(&module_with("name")).unwrap().check().is_err());
        assert!(Bundle::measure(&module_with(".debug_info")).unwrap().check().is_err());
        assert!(Bundle::measure(&module_with("target_features")).unwrap().check().is_ok());
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(Bundle::measure(b"<html>").is_err());
    }

    #[test]
    fn a_module_over_a_limit_is_refused() {
        for (raw, gzipped) in [(2_000_000, GZIPPED_LIMIT + 1), (RAW_LIMIT + 1, 500_000)] {
            let size = Size { raw, gzipped };
            let bundle = Bundle { size, debug_sections: Vec::new(), has_probe: false };
            assert!(bundle.check().is_err(), "{size:?}");
        }
    }

    #[test]
    fn growth_is_said_above_5_percent_of_what_was_recorded() {
        let recorded = Size { raw: 2_000_000, gzipped: 500_000 };
        let size = |raw, gzipped| Size { raw, gzipped };
        assert_eq!(size(2_100_000, 525_000).growth_over(recorded), None);
        assert!(size(2_000_000, 525_001).growth_over(recorded).is_some());
        assert!(size(2_100_001, 500_000).growth_over(recorded).is_some());
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("size.toml");
        let size = Size { raw: 3, gzipped: 2 };
        size.record(&file).unwrap();
        assert_eq!(Size::recorded(&file).unwrap(), size);
    }
}
