//! The command line beside a server and without one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test"
)]

mod kit;

use std::{
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use kit::{SECRET, Server};

fn rollcall(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    kit::output(command.arg("--config").arg(config).args(arguments).current_dir(config.parent().unwrap()))
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_made_with_and_without_a_server_are_accepted() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let config = home.path().join("data.toml");
    drop(Server::start(&data_dir, ""));
    let user = ["token", "user", "--user-id", "7", "--platform", "5"];
    let in_store = printed(&rollcall(&config, &user));
    let admin_in_store = printed(&rollcall(&config, &["token", "admin"]));
    let server = Server::start(&data_dir, "");
    let world = server.world();
    assert_eq!(world.verdict(&in_store).await.unwrap(), 0);
    assert_eq!(world.verdict(&admin_in_store).await.unwrap(), 0);
    let through_server = printed(&rollcall(&config, &user));
    assert_eq!(world.verdict(&through_server).await.unwrap(), 0);
    assert_eq!(world.verdict(&in_store).await.unwrap(), 1506, "the policy holds between the two ways");
    assert!(complaint(&rollcall(&config, &["serve"])).contains("another rollcall uses"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_of_the_console_signs_in_and_each_has_a_token_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let config = home.path().join("data.toml");
    let server = Server::start(&data_dir, "");
    let links = [(); 2].map(|()| printed(&rollcall(&config, &["console"])));
    assert_ne!(links[0], links[1]);
    for link in &links {
        let (page, token) = link.split_once("#token=").unwrap();
        assert_eq!(page, format!("http://{}/console/", server.address));
        assert_eq!(server.world().verdict(token).await.unwrap(), 0);
    }
    drop(server);
    let server = Server::start(&data_dir, "[console]\nenabled = false\n");
    let complaint = complaint(&rollcall(&config, &["console"]));
    assert!(complaint.contains("console.enabled"), "{complaint}");
    drop(server);
}

#[test]
fn a_start_that_cannot_be_names_the_key_and_shows_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("rollcall.toml");
    std::fs::write(&config, format!("[auth]\nsecret = '{SECRET}'\n[presence]\nmulti_login_policy = 3\n"))
        .unwrap();
    let complaint = complaint(&rollcall(&config, &["serve"]));
    assert!(complaint.contains("presence.multi_login_policy"), "{complaint}");
    assert!(!complaint.contains(SECRET));
}

#[test]
fn what_serve_refuses_is_refused_before_and_the_key_is_named() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("rollcall.toml");
    for (section, line, key) in [
        ("auth.introspection", "url = 'not a url'", "auth.introspection.url"),
        ("message_center", "resolver_url = 'nope'", "message_center.resolver_url"),
        (
            "message_center",
            "resolver_url = 'https://user:hunter2@resolver.example'",
            "message_center.resolver_url",
        ),
        ("message_center", "time_zone = 'Mars/Olympus'", "message_center.time_zone"),
        ("server", "allowed_origins = ['https://chat.example/app']", "server.allowed_origins"),
        ("server", "trusted_proxies = ['10.0.0.0/33']", "server.trusted_proxies[0]"),
        ("server.tls", "certificate = 'missing.pem'\nkey = 'missing.key'", "server.tls.certificate"),
        ("limits", "handshakes_per_minute = 0", "limits.handshakes_per_minute"),
        ("limits", "token_requests_per_minute = 0", "limits.token_requests_per_minute"),
    ] {
        std::fs::write(&config, format!("[{section}]\n{line}\n")).unwrap();
        for command in ["config", "serve"] {
            let complaint = complaint(&rollcall(&config, &[command]));
            assert!(complaint.contains(key), "{command} with {line}: {complaint}");
            assert!(!complaint.contains("hunter2"), "{complaint}");
        }
    }
}

#[test]
fn the_effective_configuration_is_shown_without_its_secrets() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("rollcall.toml");
    std::fs::write(&config, format!("[auth]\nsecret = '{SECRET}'\nprevious_secrets = ['older-{SECRET}']\n"))
        .unwrap();
    let shown = printed(&rollcall(&config, &["config"]));
    assert!(
        shown.contains("secret = \"[redacted]\"") && shown.contains("listen = \"127.0.0.1:10002\""),
        "{shown}"
    );
    assert!(!shown.contains(SECRET));
}

#[test]
fn the_first_start_says_where_the_secret_is_and_makes_it_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("rollcall.toml");
    std::fs::write(&config, "[server]\ndata_dir = 'data'\n").unwrap();
    printed(&rollcall(&config, &["token", "admin"]));
    let mode = std::fs::metadata(home.path().join("data/secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_process_that_hangs_is_killed_and_the_wait_for_it_ends() {
    let output = kit::output_within(Command::new("sleep").arg("1000"), Duration::from_millis(50));
    assert_eq!(output.status.signal(), Some(9));
}

#[test]
fn a_variable_that_is_not_read_is_told_and_its_value_is_not() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.arg("config").current_dir(home.path());
    let variables = [("ROLLCALL_AUTH_SECRET", SECRET), ("ROLLCALL_SERVICE_HOST", "10.0.0.1")];
    let output = kit::output(command.envs(variables));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(
        said.contains("the variable ROLLCALL_AUTH_SECRET is not read; ROLLCALL__AUTH__SECRET is"),
        "{said}"
    );
    assert!(!said.contains("SERVICE_HOST") && !said.contains(SECRET), "{said}");
    printed(&output);
}

/// The lines of a unit that systemd reads.
fn unit(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let is_read = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().filter(is_read).map(str::to_owned).collect()
}

#[test]
fn each_of_several_servers_on_a_machine_has_what_one_alone_has_and_a_place_of_its_own() {
    let own = [
        ("Description=Rollcall presence service", " (%i)", ""),
        ("Environment=ROLLCALL__SERVER__DATA_DIR=/var/lib/rollcall", "-%i", ""),
        ("StateDirectory=rollcall", "-%i", ""),
        ("EnvironmentFile=-/etc/rollcall/environment", "", "EnvironmentFile=-/etc/rollcall/%i.environment"),
    ];
    let mut expected = Vec::new();
    for line in unit("rollcall.service") {
        let line = line.replace("/etc/rollcall/rollcall.toml", "/etc/rollcall/%i.toml");
        let (more, next) =
            own.iter().find(|(of, ..)| *of == line).map_or(("", ""), |(_, more, next)| (*more, *next));
        expected.push(format!("{line}{more}"));
        expected.extend((!next.is_empty()).then(|| next.to_owned()));
    }
    assert_eq!(unit("rollcall@.service"), expected);
    assert_eq!(expected.iter().filter(|line| line.contains("%i")).count(), 5);
}
