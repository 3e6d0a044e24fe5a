//! The built files of the console and of the API reference, from the binding of static assets.

use http_body_util::BodyExt as _;
use rollcall_api::pages::PageBody;
use worker::Env;

/// The binding that `wrangler.toml` names.
const ASSETS: &str = "ASSETS";

/// A file by its name in `console/dist`; the platform compresses it. `None` where the worker was deployed without it.
pub(crate) async fn read(env: &Env, name: &str) -> worker::Result<Option<PageBody>> {
    let Ok(assets) = env.assets(ASSETS) else { return Ok(None) };
    // The host is not looked at.
    let url = ["http://assets/", name].concat();
    let answer = assets.fetch(url, None).await?;
    if !answer.status().is_success() {
        return Ok(None);
    }
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok(Some(PageBody { bytes, gzip: false }))
}
