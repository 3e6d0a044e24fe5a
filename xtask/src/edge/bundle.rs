//! What a release module must be: small, and without names of our functions in it.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use wasmparser::{Parser, Payload};

/// The most that the module may weigh when gzipped, in bytes: start-up time grows with it. `docs/performance.md` says
/// what it is made of.
const GZIPPED_LIMIT: usize = 450_000;

/// What the tests' probe has in its module, and nothing else may have: the name of its header.
const PROBE: &[u8] = b"X-Rollcall-Probe";

/// A built module.
pub(crate) struct Bundle {
    raw: usize,
    gzipped: usize,
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
        Ok(Self { raw: bytes.len(), gzipped, debug_sections: debug_sections(bytes)?, has_probe })
    }

    /// Fails when the module is not fit for release.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.debug_sections.is_empty() {
            bail!("the release module carries debug names: section {}", self.debug_sections.join(", "));
        }
        if self.has_probe {
            bail!("the release module has the tests' probe in it: anybody could look into its objects");
        }
        if self.gzipped > GZIPPED_LIMIT {
            bail!("the module has {} bytes gzipped, more than {GZIPPED_LIMIT}", self.gzipped);
        }
        Ok(())
    }

    /// Fails when the module is not fit for tests that look into objects.
    pub(crate) fn check_probe(&self) -> Result<()> {
        if !self.has_probe {
            bail!("the module for tests has no probe in it");
        }
        Ok(())
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (raw, gzipped, limit) = (kilobytes(self.raw), kilobytes(self.gzipped), kilobytes(GZIPPED_LIMIT));
        write!(f, "{raw} KB, gzipped {gzipped} KB (limit {limit} KB)")
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
    fn a_module_over_the_limit_is_refused() {
        let bundle = Bundle {
            raw: 2_000_000,
            gzipped: GZIPPED_LIMIT + 1,
            debug_sections: Vec::new(),
            has_probe: false,
        };
        assert!(bundle.check().is_err());
    }
}
