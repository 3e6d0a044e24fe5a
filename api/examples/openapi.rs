//! Writes `api/openapi.json` anew from the routes' attributes: `cargo run -p rollcall-api --example openapi`.

use std::{error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = rollcall_api::document().to_pretty_json()?;
    text.push('\n');
    Ok(fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), text)?)
}
