//! Redis that is safe to expose: TLS, client certificates, passwords in files, the permissions of
//! `docs/redis.md`, and Unix sockets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::common::redis::{PASSWORD, RedisServer, Setup, TlsFiles, acl_line, cluster_rules};
use crate::server::{PATIENCE, jpeg};

/// A CA, with the certificates that it signed, as files.
struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("writes");
        Self { folder, issuer }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate for a name; returns its file and that of its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        let file = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        std::fs::write(file("pem"), certificate.pem()).expect("writes");
        std::fs::write(file("key"), key.serialize_pem()).expect("writes");
        (file("pem"), file("key"))
    }

    /// Starts a Redis with a certificate for a name.
    fn redis(&self, name: &str, demands_certificate: bool) -> RedisServer {
        let (certificate, key) = self.sign(name);
        let client_ca = demands_certificate.then(|| self.ca());
        let tls = Some(TlsFiles { certificate, key, client_ca });
        RedisServer::start_as(Setup { tls, ..Setup::default() })
    }
}

fn frameway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frameway"));
    command.args(arguments).stdin(Stdio::null());
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("FRAMEWAY_")) {
        command.env_remove(variable);
    }
    command
}

fn check(url: &str, flags: &[&str]) -> Output {
    let arguments = [&["config", "check", "--redis-url", url][..], flags].concat();
    let output = frameway(&arguments).output().expect("the program runs");
    let text = [&output.stdout[..], &output.stderr].concat();
    assert!(!String::from_utf8_lossy(&text).contains(PASSWORD), "the output has no password");
    output
}

fn assert_works(url: &str, flags: &[&str]) {
    let output = check(url, flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Checks that the check fails, and prints all of these parts in one line.
fn assert_says(url: &str, flags: &[&str], says: &[&str]) {
    let output = check(url, flags);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{url} {flags:?}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    for word in says {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

/// Writes a password file.
fn password_file(folder: &Path, password: &str) -> PathBuf {
    let file = folder.join("password");
    std::fs::write(&file, password).expect("writes");
    file
}

/// A server with a worker process.
struct Serving {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Serving {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, log) = (folder.path().join("address"), folder.path().join("log"));
        std::fs::write(folder.path().join("picture.jpg"), jpeg(7)).expect("writes");
        let log = std::fs::File::create(log).expect("a log");
        let mut child = frameway(&["serve", "--listen", "127.0.0.1:0", "--log", "debug"])
            .args(["--address-file", text(&file)])
            .args(flags)
            .stderr(log)
            .spawn()
            .expect("the program runs");
        let address = wait_for(|| {
            assert!(child.try_wait().expect("the child can be asked").is_none(), "it ended early");
            std::fs::read_to_string(&file).ok()
        });
        Self { child, address, folder }
    }

    /// Submits a picture, and waits until so many are published.
    fn process_a_picture(&self, count: &str) {
        let picture = self.folder.path().join("picture.jpg");
        let submit = ["submit", text(&picture), "--stream", "cam", "--register", "--address", &self.address];
        wait_for(|| frameway(&submit).output().expect("the program runs").status.success().then_some(()));
        let subscribe =
            ["subscribe", "cam", "--from", "earliest", "--count", count, "--address", &self.address];
        let mut subscriber = frameway(&subscribe)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let ended = wait_for(|| subscriber.try_wait().expect("the child can be asked"));
        assert!(ended.success(), "{ended}");
    }

    /// Returns the command line of the worker process.
    fn worker(&self) -> String {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks =
            std::fs::read_dir(tasks).expect("Linux lists threads").map(|task| task.expect("a thread"));
        let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let lines = children
            .flat_map(|ids| ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Stops the server; returns its log.
    fn stop(mut self) -> String {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, Signal::SIGTERM).expect("a signal to the own child");
        let ended = wait_for(|| self.child.try_wait().expect("the child can be asked"));
        assert!(ended.success(), "{ended}");
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Calls `probe` until it returns a value.
fn wait_for<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn pictures_pass_through_tls_with_a_client_certificate_and_a_password_that_changes() {
    let authority = Authority::new("CA");
    let redis = authority.redis("localhost", true);
    let (certificate, key) = authority.sign("frameway");
    let password = password_file(authority.folder.path(), &format!("{PASSWORD}\n"));
    let url = format!("rediss://localhost:{}", redis.tls_port());
    let (ca, certificate, key) = (authority.ca(), text(&certificate), text(&key));
    let flags =
        ["--redis-url", &url, "--redis-ca", text(&ca), "--redis-cert", certificate, "--redis-key", key];
    let login = ["--redis-user", "frameway", "--redis-password-file", text(&password)];
    let server = Serving::start(&[&flags[..], &login].concat());
    server.process_a_picture("1");
    // Every connection uses TLS, also those that wait for work.
    let clients = redis.cli(&["CLIENT", "LIST"]);
    let ours: Vec<&str> = clients.lines().filter(|line| line.contains(" user=frameway ")).collect();
    assert!(ours.iter().any(|line| line.contains(" cmd=xread ")), "{clients}");
    let local = format!(" laddr=127.0.0.1:{} ", redis.tls_port());
    assert!(
        ours.iter().all(|line| line.contains(&local) || line.contains(&local.replace("127.0.0.1", "[::1]"))),
        "{clients}"
    );
    let worker = server.worker();
    assert!(worker.contains("supervised-worker") && !worker.contains(PASSWORD), "{worker}");
    // The password changes while the server runs.
    let other = "another-password-of-the-tests";
    redis.cli(&["ACL", "SETUSER", "frameway", "resetpass", &format!(">{other}")]);
    std::fs::write(&password, other).expect("writes");
    redis.cli(&["CLIENT", "KILL", "USER", "frameway"]);
    server.process_a_picture("2");
    let log = server.stop();
    assert!(!log.contains(PASSWORD) && !log.contains(other), "{log}");
    assert_eq!(redis.cli(&["ACL", "LOG"]), "", "nothing was refused");
}

#[test]
fn a_failed_handshake_is_explained() {
    let (authority, other) = (Authority::new("CA"), Authority::new("other CA"));
    let redis = authority.redis("localhost", false);
    let url = format!("rediss://frameway:{PASSWORD}@localhost:{}", redis.tls_port());
    let (ca, wrong_ca) = (authority.ca(), other.ca());
    assert_works(&url, &["--redis-ca", text(&ca)]);
    assert_says(&url, &["--redis-ca", text(&wrong_ca)], &["UnknownIssuer", "--redis-ca"]);
    let by_address = url.replace("localhost", "127.0.0.1");
    assert_says(
        &by_address,
        &["--redis-ca", text(&ca)],
        &["not valid for name", "localhost", "host in the URL"],
    );
    assert_says(&url, &["--redis-ca", "/no/such/file"], &["CA file /no/such/file"]);
    // Each of the two ports with the other's protocol.
    let no_tls = format!("rediss://localhost:{}", redis.port());
    assert_says(&no_tls, &["--redis-ca", text(&ca)], &["TLS", "redis://"]);
    let tls = format!("redis://localhost:{}", redis.tls_port());
    assert_says(&tls, &[], &["rediss://"]);
}

#[test]
fn a_redis_that_demands_a_client_certificate_says_so() {
    let (authority, other) = (Authority::new("CA"), Authority::new("other CA"));
    let redis = authority.redis("localhost", true);
    let url = format!("rediss://frameway:{PASSWORD}@localhost:{}", redis.tls_port());
    let ca = authority.ca();
    let flags = ["--redis-ca", text(&ca)];
    assert_says(&url, &flags, &["CertificateRequired", "--redis-cert", "--redis-key"]);
    let (certificate, key) = other.sign("frameway");
    let foreign = ["--redis-cert", text(&certificate), "--redis-key", text(&key)];
    assert_says(&url, &[&flags[..], &foreign].concat(), &["alert", "--redis-cert"]);
    let (certificate, key) = authority.sign("frameway");
    let own = ["--redis-cert", text(&certificate), "--redis-key", text(&key)];
    assert_works(&url, &[&flags[..], &own].concat());
}

#[test]
fn a_unix_socket_works_with_and_without_the_user_in_the_url() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("redis.sock");
    let flags = vec!["--unixsocket".to_owned(), text(&socket).to_owned()];
    let redis = RedisServer::start_as(Setup { flags, ..Setup::default() });
    let url = format!("unix://{}", text(&socket));
    assert_works(&format!("{url}?user=frameway&pass={PASSWORD}"), &[]);
    let password = password_file(folder.path(), PASSWORD);
    assert_works(&url, &["--redis-user", "frameway", "--redis-password-file", text(&password)]);
    assert_says(&url, &[], &["NOAUTH"]);
    drop(redis);
    assert_says(&url, &[], &[text(&socket)]);
}

/// The line gives all commands that the sources call, and no other.
#[test]
fn the_permissions_are_those_that_the_sources_need() {
    let mut called = BTreeSet::from(["config|get".to_owned()]);
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/queue/redis"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source");
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            for begin in ["cmd(\"", "command(\"", "redis.call('", "redis.pcall('", "(\"XRE", "(\"XRA"] {
                for (at, _) in source.match_indices(begin) {
                    let word = &source[at + begin.find(['"', '\'']).expect("a quote") + 1..];
                    let word = word.split(['"', '\'']).next().unwrap_or_default();
                    called.insert(word.to_lowercase());
                }
            }
        }
    }
    // XINFO has one use. AUTH needs no permission; SELECT is for other databases than 0. Sentinels
    // have a line of their own.
    for (word, with) in [
        ("xinfo", Some("xinfo|stream")),
        ("config", None),
        ("auth", None),
        ("select", None),
        ("sentinel", None),
        ("subscribe", None),
    ] {
        assert!(called.remove(word), "{word}");
        called.extend(with.map(str::to_owned));
    }
    // Clusters have further rules. ASKING is written without the redis crate, and CLUSTER has two uses.
    let of_rules = |rules: &'static str| rules.split(' ').filter_map(|rule| rule.strip_prefix('+'));
    for rule in of_rules(cluster_rules()) {
        let is_called = called.remove(rule);
        assert!(is_called || ["asking", "cluster|info", "cluster|slots"].contains(&rule), "{rule}");
    }
    let given: Vec<&str> = of_rules(acl_line()).collect();
    assert_eq!(given, called.iter().map(String::as_str).collect::<Vec<_>>());
    let others: Vec<&str> = acl_line().split(' ').filter(|rule| !rule.starts_with('+')).collect();
    assert_eq!(others, ["user", "frameway", "on", ">PASSWORD", "resetchannels", "~frameway:*", "-@all"]);
}
