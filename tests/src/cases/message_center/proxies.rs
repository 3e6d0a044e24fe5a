//! The client's address behind a proxy that `server.trusted_proxies` names by its network.

use anyhow::{Context as _, Result};

use crate::{
    cases::{Case, cases},
    check::same,
    console::api::Api,
    world::World,
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Resolver, "resolver":
        an_entry_of_a_proxy_is_stored_as_its_address_alone,
        an_openim_socket_has_the_forwarded_address_too,
    ]
}

/// What a trusted proxy says, and what is stored of it.
const ENTRIES: [(&str, &str); 12] = [
    ("203.0.113.9", "203.0.113.9"),
    ("203.0.113.9:4711", "203.0.113.9"),
    ("[2001:db8::9]:443", "2001:db8::9"),
    ("[2001:db8::9]", "2001:db8::9"),
    ("2001:DB8:0:0::9", "2001:db8::9"),
    ("::ffff:203.0.113.9", "203.0.113.9"),
    // Proxies of the listed networks are passed over, from the end.
    ("6.6.6.6, 203.0.113.9, 10.244.7.1", "203.0.113.9"),
    ("garbage, 203.0.113.9:1, [::ffff:10.244.7.1]:80", "203.0.113.9"),
    ("garbage", "unknown"),
    ("203.0.113.9, garbage", "unknown"),
    ("203.0.113.9:99999", "unknown"),
    ("unknown", "unknown"),
];

async fn an_entry_of_a_proxy_is_stored_as_its_address_alone(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let devices: Vec<String> = (0..ENTRIES.len()).map(|index| format!("device-{index:02}")).collect();
    let mut sockets = Vec::new();
    for ((entry, _), device) in ENTRIES.iter().zip(&devices) {
        let handshake = api.handshake("user-101", device).header("X-Forwarded-For", entry);
        sockets.push(world.upgraded(&handshake).await?);
    }
    api.until_online(user, &devices).await?;
    let records = api.records(user).await?;
    for ((entry, wanted), device) in ENTRIES.iter().zip(&devices) {
        let record = records.iter().find(|record| record.device_id == *device);
        let address = record.with_context(|| format!("no record of {device}"))?.remote_address.as_str();
        same(address, *wanted, &format!("remoteAddress of {entry}"))?;
    }
    Ok(())
}

async fn an_openim_socket_has_the_forwarded_address_too(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(102);
    let token = world.issue(&user.to_string(), 5).await?;
    let handshake = Handshake::new(&user.to_string(), 5, &token)
        .header("X-Forwarded-For", "[2001:DB8::9]:443, 10.244.7.1")
        .header("X-Auth-Device-Id", "beside");
    let _socket = world.upgraded(&handshake).await?;
    api.until_online(user, &["beside"]).await?;
    let records = api.records(user).await?;
    let addresses: Vec<_> = records.iter().map(|record| record.remote_address.as_str()).collect();
    same(addresses, vec!["2001:db8::9"], "remoteAddress")
}
