//! Finding a server, being let in, and being told when not.

use std::{io::Write as _, net::TcpListener};

use crate::{
    kit::Server,
    shell::{ended, err, run, run_with, url},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_and_a_wrong_token_are_told_how_to_get_one() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let wrong = "a-token-that-nobody-has-ever-made";
    let of_a_user = server.world().issue("alice", 2).await.unwrap();
    for arguments in [
        &["who", "alice"][..],
        &["ls"],
        &["kick", "alice"],
        &["import", "-"],
        &["kick", "--tenant", "0", "-y"],
    ] {
        for (token, what) in
            [("", "no token is given"), (wrong, "refused the token"), (&of_a_user, "refused the token")]
        {
            let variables = [("ROLLCALL_TOKEN", token)];
            let output = run_with(&data_dir, &variables, arguments, "{}\n");
            assert!(ended(&output, 3).is_empty() || arguments[0] == "import", "{arguments:?}");
            let complaint = err(&output);
            assert!(complaint.contains(what) && complaint.contains("rollcall token admin"), "{complaint}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_the_one_named_else_the_one_that_runs_here() {
    let (home, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let other = Server::start(&away.path().join("data"), "");
    let admin = other.world().admin_token().await.unwrap();
    let named = [("ROLLCALL_URL", &*format!("{}/", url(&other))), ("ROLLCALL_TOKEN", &*admin)];
    ended(&run_with(&data_dir, &named, &["who", "alice"], ""), 0);
    ended(&run(&data_dir, &admin, &["who", "alice"]), 3);

    assert!(server.terminate().success());
    let gone = run(&data_dir, &admin, &["who", "alice"]);
    ended(&gone, 2);
    assert!(err(&gone).contains("ROLLCALL_URL"), "{}", err(&gone));
    let nonsense = run(&data_dir, &admin, &["who", "alice", "--url", "localhost"]);
    ended(&nonsense, 2);
    assert!(err(&nonsense).contains("expected http://"), "{}", err(&nonsense));
}

#[test]
fn nobody_and_strangers_are_told_apart_from_a_server_and_get_no_token_second_hand() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    drop(Server::start(&data_dir, ""));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = format!("http://{}", listener.local_addr().unwrap());
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
        "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ];
    let serving = std::thread::spawn(move || {
        for answer in answers {
            let (mut client, _) = listener.accept().unwrap();
            // The request is short; it is read in one piece, or the client complains and the test fails.
            let _ = std::io::Read::read(&mut client, &mut [0; 4096]).unwrap();
            client.write_all(answer.as_bytes()).unwrap();
        }
    });
    let ask = || run(&data_dir, "some-token-of-some-length", &["ls", "--url", &stranger]);
    let other = ask();
    ended(&other, 1);
    assert!(err(&other).contains("in a form that no rollcall has"), "{}", err(&other));
    let moved = ask();
    ended(&moved, 1);
    assert!(err(&moved).contains("points to http://127.0.0.1:1/"), "{}", err(&moved));
    serving.join().unwrap();
    let nobody = ask();
    ended(&nobody, 1);
    assert!(err(&nobody).contains("no answer from"), "{}", err(&nobody));
}

#[test]
fn https_is_trusted_by_the_authorities_that_are_given() {
    let home = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (home.path().join("cert.pem"), home.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let data_dir = home.path().join("data");
    let variables = [("tls.certificate", certificate.to_str().unwrap()), ("tls.key", key.to_str().unwrap())];
    let server = Server::start_with(&data_dir, &variables);
    let address = format!("https://localhost:{}", server.address.port());
    let ask = |more: &[&str]| run(&data_dir, "", &[&["health", "--url", &address], more].concat());
    assert_eq!(ended(&ask(&["--ca", certificate.to_str().unwrap()]), 0), "ok\n");
    let unknown = ask(&[]);
    ended(&unknown, 1);
    assert!(err(&unknown).to_lowercase().contains("certificate"), "{}", err(&unknown));
}

#[test]
fn every_shell_gets_completions_of_every_command() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    std::fs::write(home.path().join("data.toml"), "").unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = ended(&run(&data_dir, "", &["completions", shell]), 0);
        assert!(
            ["who", "ls", "kick", "import", "health"].iter().all(|command| script.contains(command)),
            "{shell}"
        );
    }
}

#[test]
fn a_reader_that_has_enough_is_nothing_to_complain_of() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["completions", "bash"])
        .current_dir(home.path())
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let _watchdog = crate::kit::Watchdog::over(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), "");
}
