//! Files that are their owner's alone.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// Read and written by the owner only.
pub(crate) const MODE: u32 = 0o600;
/// The rights of everybody but the owner and its group.
const OTHERS: u32 = 0o007;

/// Takes the rights to a file of this program from everybody but its owner. A file that is not there is left so; one of another owner
/// keeps its mode, with a warning.
pub(crate) fn make_private(file: &Path) {
    let changed = match fs::metadata(file) {
        Ok(found) if found.permissions().mode() & 0o077 == 0 => Ok(()),
        Ok(_) => fs::set_permissions(file, Permissions::from_mode(MODE)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = changed {
        tracing::warn!(file = %file.display(), %error, "others may be able to read a file of the data directory");
    }
}

/// Whether users of the machine who are neither the owner nor of its group can read or change the file.
pub(crate) fn is_open_to_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.permissions().mode() & OTHERS != 0)
}
