//! Which logins end which others.

use super::*;

#[test]
fn the_policy_vectors_hold() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/openim.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = vectors["policy"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let policies =
            vector["policy"].as_u64().map_or(vec![0, 1, 4, 5], |one| vec![u8::try_from(one).unwrap()]);
        for policy in policies {
            let most_tokens = vector["maxTokensPerPlatform"].as_u64().unwrap_or(30);
            let most_tokens = usize::try_from(most_tokens).unwrap();
            run_vector(vector, Setup { policy, most_tokens, ..Setup::default() });
        }
    }
}

fn run_vector(vector: &serde_json::Value, setup: Setup) {
    let id = &vector["id"];
    let mut adapter = Adapter::new(setup);
    let mut tokens: BTreeMap<String, TokenText> = BTreeMap::new();
    let mut names: BTreeMap<ConnId, String> = BTreeMap::new();
    let mut told = Vec::new();
    for step in vector["steps"].as_array().unwrap() {
        match step.as_str().unwrap().split(' ').collect::<Vec<_>>()[..] {
            ["issue", "admin", name] => drop(tokens.insert(name.to_owned(), adapter.issue(ADMIN))),
            ["issue", name, "platform", number] => {
                drop(tokens.insert(name.to_owned(), adapter.issue(number.parse().unwrap())));
            }
            ["open", name] => {
                let (connection, trace) = adapter.try_open(&tokens[name]).unwrap();
                names.insert(connection, name.to_owned());
                told.extend(kicked(&trace).iter().map(|id| names[id].clone()));
            }
            ref other => panic!("{other:?}"),
        }
    }
    let list = |value: &serde_json::Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let mut live: Vec<String> = adapter.live().iter().map(|connection| names[connection].clone()).collect();
    let mut expected = list(&vector["live"]);
    live.sort();
    expected.sort();
    assert_eq!(live, expected, "{id}");
    assert_eq!(told, list(&vector["kickFrame"]), "{id}");
    for (name, code) in vector["tokens"].as_object().unwrap() {
        assert_eq!(adapter.token_status(&tokens[name]), code.as_i64().unwrap(), "{id}: {name}");
    }
}

#[test]
fn administrators_tokens_and_sockets_are_outside_every_policy_and_inside_a_force_off() {
    for policy in [0, 1, 4, 5] {
        let mut adapter = Adapter::new(Setup { policy, most_tokens: 1, ..Setup::default() });
        let admins = [adapter.issue(ADMIN), adapter.issue(ADMIN)];
        let mut live = admins.each_ref().map(|token| adapter.open(token)).to_vec();
        live.push(adapter.open(&admins[0]));
        let web = adapter.issue(WEB);
        live.push(adapter.open(&web));
        live.sort_unstable();
        let mut found = adapter.live();
        found.sort_unstable();
        assert_eq!(found, live, "policy {policy}");
        adapter.force_off(ForceOff::Platform(platform(ADMIN)));
        assert_eq!(admins.map(|token| adapter.token_status(&token)), [1506, 1506]);
        assert_eq!(adapter.token_status(&web), 0);
    }
}
