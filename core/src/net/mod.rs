//! The origin of a request, the client's address and the page, and the targets of our own.

mod http_url;
mod network;
mod remote;
mod web_origin;

pub use http_url::{HttpUrl, NotAUrl};
pub use network::{Network, NotANetwork, counted_address};
pub use remote::remote_address;
pub use web_origin::{AllowedOrigins, NotAnOrigin};
