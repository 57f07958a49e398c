//! `frameway keys`, and the keys that it creates at a server.

use crate::server::Server;
use crate::{assert_fails, frameway, stderr, stdout};

#[test]
fn a_key_is_created_used_listed_and_revoked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("access.toml");
    let file = file.to_str().expect("UTF-8");
    let keys = |arguments: &[&str]| {
        frameway(&[&["keys", arguments[0], "--access-file", file], &arguments[1..]].concat())
    };
    let create = |principal: &str, grant: &str| {
        let output = keys(&["create", "--principal", principal, "--grant", grant, "--expires", "90d"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let key = stdout(&output).trim_end().to_owned();
        assert!(
            key.starts_with("fwk_") && !stderr(&output).contains(&key),
            "the key is on standard output only"
        );
        let path = folder.path().join(format!("{principal}.key"));
        std::fs::write(&path, &key).expect("writes");
        (path.to_str().expect("UTF-8").to_owned(), key)
    };
    let (admin, admin_key) = create("admin", "admin");
    let (agent, key) = create("agent", "publish:cam");
    assert!(!std::fs::read_to_string(file).expect("reads").contains(&key), "the file has digests only");

    let listed = stdout(&keys(&["list"]));
    assert!(listed.contains("admin") && listed.contains("agent"), "{listed}");
    let listed: Vec<serde_json::Value> = stdout(&keys(&["list", "--json"]))
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(listed[1]["principal"], "agent");
    let id = listed[1]["id"].as_str().expect("an id");

    let server = Server::start_with_log(&["--access-file", file]);
    let address = server.address();
    let call = |arguments: &[&str], key: &str| {
        frameway(&[arguments, &["--address", &address, "--api-key-file", key]].concat())
    };
    assert!(call(&["streams", "register", "cam"], &admin).status.success());
    let denied = call(&["streams", "list"], &agent);
    assert!(stderr(&denied).contains("PERMISSION_DENIED"), "{}", stderr(&denied));
    assert_fails(&["streams", "list", "--address", &address], 1, "CREDENTIALS_MISSING");

    assert!(keys(&["revoke", id]).status.success());
    let again = keys(&["revoke", id]);
    assert!(stderr(&again).contains("has no key"), "{}", stderr(&again));
    assert_eq!(stdout(&keys(&["list", "--json"])).lines().count(), 1);

    let log = server.log();
    assert!(log.contains("CredentialsMissing") || log.contains("RegisterStream"), "the log has the calls");
    for key in [admin_key, key] {
        // The secret itself may contain the separator.
        let secret = key.splitn(3, '_').nth(2).expect("a secret");
        assert!(!log.contains(secret), "a key is in the log");
    }
}

#[test]
fn a_key_that_a_server_would_not_accept_is_not_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("access.toml");
    let file = file.to_str().expect("UTF-8");
    let create = ["keys", "create", "--access-file", file];
    for (arguments, says) in [
        (&["--principal", "a b"][..], "principal"),
        (&["--principal", "a", "--grant", "write:*"], "must be one of publish:GLOB"),
        (&["--principal", "a", "--role", "none"], "role \"none\" is not in [roles]"),
    ] {
        assert_fails(&[&create[..], arguments].concat(), 2, says);
    }
    assert!(!folder.path().join("access.toml").exists());
    std::fs::write(file, "[half").expect("writes");
    assert_fails(&["keys", "list", "--access-file", file], 1, "access.toml");
    for command in [&["serve"][..], &["config", "check"]] {
        let flags = ["--listen", "127.0.0.1:0", "--access-file", file];
        assert_fails(&[command, &flags].concat(), 2, "access.toml: line 1: ");
    }
    std::fs::write(file, "[principals.a]\n").expect("writes");
    let output = frameway(&["config", "check", "--access-file", file]);
    assert!(stdout(&output).contains("found: an access file with 1 principal\n"), "{}", stdout(&output));
}
