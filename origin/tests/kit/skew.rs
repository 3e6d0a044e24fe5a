//! Clocks of a server process that a test sets: a library that is loaded before libc.

use std::{
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The shifts of one server's clocks.
pub struct Skew {
    library: PathBuf,
    file: PathBuf,
}

impl Skew {
    /// Builds the library in `home`. The clocks show the true time until [`Skew::set`].
    pub fn build(home: &Path) -> Self {
        let skew = Self { library: home.join("skew.so"), file: home.join("skew") };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kit/skew.c");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&skew.library).arg(source);
        assert!(cc.status().unwrap().success());
        std::fs::write(&skew.file, [0; 16]).unwrap();
        skew
    }

    /// The variables of the server's environment.
    pub fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", self.library.to_str().unwrap()), ("SKEW", self.file.to_str().unwrap())]
    }

    /// Shifts the wall clock by so many seconds from the true time.
    pub fn set(&self, seconds: i64) {
        self.write(0, seconds);
    }

    /// Lets so many seconds pass on both clocks.
    pub fn pass(&self, seconds: i64) {
        self.write(0, seconds);
        self.write(8, seconds);
    }

    fn write(&self, place: u64, seconds: i64) {
        let file = std::fs::OpenOptions::new().write(true).open(&self.file).unwrap();
        file.write_all_at(&(1_000 * seconds).to_ne_bytes(), place).unwrap();
    }
}
