//! TLS and credentials on the command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::certificates::Authority;
use crate::server::Server;
use crate::{assert_fails, frameway, stderr, stdout};

/// The files of a CA, of a server and of a client.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let (ca, people) = (Authority::new("servers"), Authority::new("people"));
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        let (server, client) = (ca.issue(&["127.0.0.1"]), people.issue(&["camera.example"]));
        for (name, text) in [
            ("ca.pem", &ca.pem),
            ("people.pem", &people.pem),
            ("server.pem", &server.certificate),
            ("server.key", &server.key),
            ("client.pem", &client.certificate),
            ("client.key", &client.key),
        ] {
            std::fs::write(files.path(name), text).expect("writes");
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the path of a file as text.
    pub(crate) fn text(&self, name: &str) -> String {
        text(&self.path(name))
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn commands_reach_a_server_with_tls_and_say_what_to_do_otherwise() {
    let files = Files::new();
    let path = |name| files.text(name);
    let (cert, key, people) = (path("server.pem"), path("server.key"), path("people.pem"));
    let flags =
        ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &people, "--tls-require-client-cert"];
    let server = Server::start_with_log(&flags);
    let address = server.address();
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");

    let (ca, cert, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let me = ["--address", &address, "--ca", &ca, "--cert", &cert, "--key", &key];
    for command in [&["info"][..], &["health"], &["streams", "list"], &["queues"]] {
        let output = frameway(&[command, &me].concat());
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    }
    assert_fails(&["info", "--address", &address], 1, "pass the CA's certificate (--ca FILE)");
    let plain = address.replace("https://", "http://");
    for (command, says) in [
        (&["info", "--address", &address, "--ca", &ca][..], "requires a client certificate"),
        (&["info", "--address", &plain], "the server speaks TLS: use https://"),
        (&["health", "--address", &plain, "--timeout", "20s"], "the server speaks TLS: use https://"),
    ] {
        // The server may close the connection before the client has read the reason, so not every
        // try learns it. Every try says what may help.
        let explained = (0..20).any(|_| {
            let output = frameway(command);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("https://") || said.contains("--cert"), "{said}");
            said.contains(says)
        });
        assert!(explained, "{command:?}");
    }
    assert_fails(&["info", "--address", &plain, "--ca", &ca], 2, "use https://");
    assert_fails(&["info", "--address", &address, "--cert", &cert], 2, "--key");
    assert_fails(&["info", "--address", &address, "--ca", "/nowhere/ca.pem"], 2, "/nowhere/ca.pem");
    assert_fails(&["info", "--address", &address, "--ca", &key], 2, "contains no PEM certificate");
    let log = server.log();
    for file in ["server.key", "client.key"] {
        let key = std::fs::read_to_string(files.path(file)).expect("reads");
        let leaked = key.lines().filter(|line| !line.starts_with("-----") && log.contains(*line));
        assert_eq!(leaked.count(), 0, "{file} is in the log");
    }
}

#[test]
fn a_server_does_not_start_with_files_that_it_cannot_use() {
    let files = Files::new();
    let path = |name| files.text(name);
    let (cert, key, other) = (path("server.pem"), path("server.key"), path("client.key"));
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for (flags, says) in [
        (&["--tls-cert", &cert][..], "needs --tls-key"),
        (&["--tls-key", &key], "needs --tls-cert"),
        (&["--tls-client-ca", &cert], "needs --tls-cert and --tls-key"),
        (&["--tls-cert", &cert, "--tls-key", &key, "--tls-require-client-cert"], "needs --tls-client-ca"),
        (&["--tls-cert", "/nowhere/a.pem", "--tls-key", &key], "/nowhere/a.pem cannot be read"),
        (&["--tls-cert", &key, "--tls-key", &key], "contains no certificate"),
        (&["--tls-cert", &cert, "--tls-key", &other], "is not the key of the first certificate"),
    ] {
        assert_fails(&[&serve, flags].concat(), 2, says);
    }
    let output = frameway(&["config", "check", "--tls-cert", &cert, "--tls-key", &key]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("found: a certificate that expires at "), "{said}");
    assert_fails(
        &["config", "check", "--tls-cert", &cert, "--tls-key", &other],
        2,
        "is not the key of the first certificate",
    );
}

#[test]
fn a_key_is_read_from_a_file_or_the_environment_and_not_sent_where_others_can_read_it() {
    let server = Server::start();
    let address = server.address();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, "fwk_1_very-secret\n").expect("writes");
    let file = text(&file);
    let output = frameway(&["info", "--address", &address, "--api-key-file", &file]);
    assert!(output.status.success(), "{}", stderr(&output));
    let far = ["info", "--address", "far.example:7400"];
    for flag in ["--api-key-file", "--token-file"] {
        assert_fails(&[&far[..], &[flag, &file]].concat(), 2, "in plaintext, where others can read them");
    }
    let both = ["info", "--address", &address, "--api-key-file", &file, "--token-file", &file];
    assert_fails(&both, 2, "cannot be used with");
    assert_fails(&["info", "--address", &address, "--api-key-file", "/nowhere/key"], 2, "/nowhere/key");

    let with_variable = |key: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frameway"));
        command.env("FRAMEWAY_API_KEY", key).args(arguments).output().expect("the program runs")
    };
    assert!(with_variable("fwk_1_very-secret", &["info", "--address", &address]).status.success());
    let refused = with_variable("fwk_1_very-secret", &far);
    let said = stderr(&refused);
    assert!(refused.status.code() == Some(2) && said.contains("in plaintext"), "{said}");
    assert!(!said.contains("very-secret"), "{said}");
    let broken = with_variable("very-secret with spaces", &["info", "--address", &address]);
    let said = stderr(&broken);
    assert!(broken.status.code() == Some(2) && said.contains("FRAMEWAY_API_KEY"), "{said}");
    assert!(!said.contains("very-secret"), "{said}");
}
