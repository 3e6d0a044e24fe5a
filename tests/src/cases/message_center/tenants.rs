//! One tenant does not see another, unless the operator's client asks for it.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, OFF, SEARCH},
        spelling::plain,
    },
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        every_question_stays_inside_the_tenant,
        the_operator_names_the_tenant,
        an_operator_without_permission_gets_none_by_naming_a_tenant,
        other_clients_may_name_their_own_tenant_only,
        an_order_to_a_tenant_that_may_not_be_named_has_no_effect,
    ]
}

async fn every_question_stays_inside_the_tenant(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        for query in [
            String::new(),
            "tenantId=1".to_owned(),
            "online=true".to_owned(),
            plain("userId", "NOT_IN", Some("[]")),
            plain("fullName", "MATCH", Some("h")),
            plain("remoteAddress", "IS_NOT_NULL", None),
        ] {
            let page = api.page("admin-t2", path, &query).await?;
            same((page.total, page.ids()), (1, vec!["9006".to_owned()]), &format!("{path}?{query}"))?;
        }
        let page = api.page("admin-t2", path, "userId=101").await?;
        same(page.total, 0, "records of a user of another tenant")?;
    }
    api.detail("admin-t2", 101).await?.refused(404, "resource_not_found")
}

async fn the_operator_names_the_tenant(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("operator");
    for name in ["XC-Opt-Tenant-Id", "X-Opt-Tenant-Id", "xc-opt-tenant-id"] {
        for (tenant, total) in [("1", 5), ("2", 1), ("9", 0), ("77", 0)] {
            let reply = api.ask(&api.request("GET", LIST, &token).header(name, tenant)).await?;
            same(reply.page()?.total, total, &format!("records of tenant {tenant} by {name}"))?;
        }
        let detail = api.request("GET", &format!("{LIST}/201"), &token).header(name, "2");
        same(api.ask(&detail).await?.record()?.id.as_str(), "9006", "the detail in tenant 2")?;
        let detail = api.request("GET", &format!("{LIST}/201"), &token).header(name, "1");
        api.ask(&detail).await?.refused(404, "resource_not_found")?;
    }
    same(api.list("operator", "").await?.total, 0, "records of the operator's own tenant")
}

async fn an_operator_without_permission_gets_none_by_naming_a_tenant(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("operator-user");
    for tenant in ["1", "9"] {
        let request = api.request("GET", LIST, &token).header("XC-Opt-Tenant-Id", tenant);
        api.ask(&request).await?.refused(403, "forbidden")?;
    }
    Ok(())
}

/// The key makes the console log out, so it must not come from anything else.
async fn other_clients_may_name_their_own_tenant_only(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for name in ["XC-Opt-Tenant-Id", "X-Opt-Tenant-Id"] {
        for role in ["admin-t1", "user-101", "reader"] {
            for target in [LIST.to_owned(), SEARCH.to_owned(), format!("{LIST}/101")] {
                let request = api.request("GET", &target, &api.bearer(role)).header(name, "2");
                api.ask(&request).await?.refused(403, "fatal_exit")?;
            }
        }
        let request = api.request("GET", LIST, &api.bearer("admin-t1")).header(name, "1");
        same(api.ask(&request).await?.page()?.total, 5, "records of the own tenant")?;
    }
    Ok(())
}

async fn an_order_to_a_tenant_that_may_not_be_named_has_no_effect(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for role in ["admin-t1", "kicker"] {
        let body = r#"{"receiveObjectType":"USER","receiveObjectIds":[201]}"#;
        let request = api.request("POST", OFF, &api.bearer(role)).header("Content-Type", "application/json");
        let request = request.header("XC-Opt-Tenant-Id", "2").body(body);
        api.ask(&request).await?.refused(403, "fatal_exit")?;
    }
    same(api.list("admin-t2", "online=true").await?.total, 1, "records online in tenant 2")
}
