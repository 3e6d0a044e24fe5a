//! The built files of the console and of the API reference, inside the program.

use std::{collections::HashMap, io::Write as _};

use axum::body::Bytes;
use flate2::{Compression, write::GzEncoder};
use parking_lot::Mutex;
use rollcall_api::{BackendError, pages::PageBody};
use rust_embed::Embed;

#[derive(Embed)]
#[folder = "../console/dist"]
struct Dist;

/// The files, each compressed when a client first asks for that.
#[derive(Default)]
pub(crate) struct Pages {
    compressed: Mutex<HashMap<&'static str, Bytes>>,
}

impl Pages {
    /// A file by its name in `console/dist`. The first compressed answer of a large one takes a tenth of a second: call it where
    /// that holds up no other request.
    pub(crate) fn read(&self, name: &'static str, gzip: bool) -> Result<Option<PageBody>, BackendError> {
        if gzip && let Some(bytes) = self.compressed.lock().get(name) {
            return Ok(Some(PageBody { bytes: bytes.clone(), gzip }));
        }
        let Some(file) = Dist::get(name) else { return Ok(None) };
        let plain = match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        };
        if !gzip {
            return Ok(Some(PageBody { bytes: plain, gzip }));
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).map_err(BackendError::new)?;
        let bytes = Bytes::from(encoder.finish().map_err(BackendError::new)?);
        self.compressed.lock().insert(name, bytes.clone());
        Ok(Some(PageBody { bytes, gzip }))
    }
}
