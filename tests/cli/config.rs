//! The settings of a server: where they come from, and what is said about wrong ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{assert_fails, stderr, stdout};

/// A folder with a configuration file, and an environment.
struct Setup {
    folder: TempDir,
    environment: BTreeMap<&'static str, String>,
}

impl Setup {
    /// Writes the file `frameway.toml`.
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let setup = Self { folder, environment: BTreeMap::new() };
        setup.write("frameway.toml", text);
        setup
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a temporary file can be written");
        path
    }

    fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.environment.insert(variable, value.to_owned());
        self
    }

    /// Runs the program in the folder, with the file.
    fn run(&self, arguments: &[&str]) -> Output {
        let with_file = [arguments, &["--config", "frameway.toml"]].concat();
        self.run_bare(&with_file)
    }

    fn run_bare(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frameway"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRAMEWAY_")) {
            command.env_remove(name);
        }
        command.envs(&self.environment).current_dir(self.folder.path()).args(arguments);
        command.output().expect("the program runs")
    }

    /// Returns the error of a server that must not start. No secret of the tests is in it.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["serve"], arguments].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains("hunter2") && stdout(&output).is_empty(), "{said}");
        said.strip_prefix("frameway: ").unwrap_or_else(|| panic!("{said}")).trim_end().to_owned()
    }

    /// Returns the value and the source of a setting.
    fn shown(&self, key: &str, arguments: &[&str]) -> (String, String) {
        let output = self.run(&[&["config", "show", "--json"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let shown: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let all = shown["settings"].as_array().expect("a list");
        let one = all.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("{key} in {shown}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&one["value"]), text(&one["source"]))
    }
}

fn pair(value: &str, source: &str) -> (String, String) {
    (value.to_owned(), source.to_owned())
}

#[test]
fn each_layer_overrides_the_next() {
    let key = "memory_budget";
    let empty = "# no settings\n";
    assert_eq!(Setup::new(empty).shown(key, &[]), pair("2GiB", "default"));
    let preset = ["--preset", "low-memory"];
    let (value, source) = Setup::new(empty).shown(key, &preset);
    assert!(value != "2GiB" && source == "preset low-memory", "{value} {source}");
    let file = "\n[queue]\nmemory_budget = \"4GiB\"\n";
    assert_eq!(Setup::new(file).shown(key, &preset), pair("4GiB", "frameway.toml:3"));
    let variable = "FRAMEWAY_MEMORY_BUDGET";
    let setup = Setup::new(file).with(variable, "5GiB");
    assert_eq!(setup.shown(key, &preset), pair("5GiB", "environment FRAMEWAY_MEMORY_BUDGET"));
    let flag = [&preset[..], &["--memory-budget", "6GiB"]].concat();
    assert_eq!(setup.shown(key, &flag), pair("6GiB", "flag"));
}

#[test]
fn the_split_of_the_budget_is_a_setting() {
    let key = "memory_split";
    let setup = Setup::new("[queue]\nmemory_split = \"5/85/10\"\n");
    assert_eq!(setup.shown(key, &[]), pair("5/85/10", "frameway.toml:2"));
    let setup = setup.with("FRAMEWAY_MEMORY_SPLIT", "30/60/10");
    assert_eq!(setup.shown(key, &[]), pair("30/60/10", "environment FRAMEWAY_MEMORY_SPLIT"));
    assert_eq!(setup.shown(key, &["--memory-split", "70/20/10"]), pair("70/20/10", "flag"));
    let said = setup.refused(&["--memory-split", "70/20/10", "--memory-budget", "256MiB"]);
    assert!(
        said.starts_with(
            "--memory-budget: 256MiB with --memory-split 70/20/10 over 32 partitions leaves less"
        ),
        "{said}"
    );
    assert!(said.contains("give at least 320MiB"), "{said}");
    assert_fails(&["serve", "--memory-split", "40/60"], 2, "as in 40/50/10");
}

#[test]
fn a_secret_comes_from_its_file_unless_a_flag_has_it() {
    let key = "redis_url";
    let file = "[queue]\nredis_url = \"redis://me:hunter2@in-file:1\"\n";
    assert_eq!(Setup::new(file).shown(key, &[]), pair("redis://***@in-file:1", "frameway.toml:2"));
    let setup = Setup::new(file).with("FRAMEWAY_REDIS_URL_FILE", "secret");
    setup.write("secret", "redis://me:hunter2@in-secret:1\n");
    let shown = pair("redis://***@in-secret:1", "file of FRAMEWAY_REDIS_URL_FILE");
    assert_eq!(setup.shown(key, &[]), shown);
    assert_eq!(setup.shown(key, &["--redis-url", "redis://flag"]), pair("redis://flag", "flag"));
    let both = setup.with("FRAMEWAY_REDIS_URL", "redis://me:hunter2@variable:1");
    assert_eq!(both.shown(key, &["--redis-url", "redis://flag"]), pair("redis://flag", "flag"));
    assert_eq!(
        both.refused(&[]),
        "FRAMEWAY_REDIS_URL_FILE: contradicts FRAMEWAY_REDIS_URL: unset one of them"
    );
}

#[test]
fn a_preset_of_the_file_is_overridden_by_a_variable_and_a_flag() {
    let shown = |setup: &Setup, arguments: &[&str]| {
        let output = setup.run(&[&["config", "show"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let setup = Setup::new("preset = \"low-latency\"\n");
    assert_eq!(shown(&setup, &[]), "preset = \"low-latency\" # frameway.toml:1");
    let setup = setup.with("FRAMEWAY_PRESET", "low-memory");
    assert_eq!(shown(&setup, &[]), "preset = \"low-memory\" # environment FRAMEWAY_PRESET");
    let flag = ["--preset", "low-bandwidth"];
    assert_eq!(shown(&setup, &flag), "preset = \"low-bandwidth\" # flag");
}

#[test]
fn a_switch_can_be_set_and_unset_by_every_layer() {
    let file = "[server]\nauto_register = true\n[access]\ninsecure = \"true\"\n";
    let setup = Setup::new(file);
    assert_eq!(setup.shown("auto_register", &[]), pair("true", "frameway.toml:2"));
    assert_eq!(setup.shown("insecure", &[]), pair("true", "frameway.toml:4"));
    let setup = setup.with("FRAMEWAY_AUTO_REGISTER", "false");
    assert_eq!(setup.shown("auto_register", &[]), pair("false", "environment FRAMEWAY_AUTO_REGISTER"));
    assert_eq!(setup.shown("auto_register", &["--auto-register"]), pair("true", "flag"));
}

/// Returns the template with all settings in force.
fn uncommented() -> String {
    let template = stdout(&crate::frameway(&["config", "template"]));
    let mut settings = 0;
    let mut line = |line: &str| {
        let is_setting =
            line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        settings += usize::from(is_setting);
        format!("{}\n", if is_setting { &line[1..] } else { line })
    };
    let text: String = template.lines().map(&mut line).collect();
    assert!(settings > 40, "{settings} settings in {template}");
    // The certificates need TLS, and the passwords of Sentinels need Sentinels.
    text.replace("redis://localhost:6379/0", "rediss-sentinel://localhost/primary/0")
}

#[test]
fn every_setting_can_be_given_in_the_file() {
    let text = uncommented();
    let setup = Setup::new(&text);
    let output = setup.run(&["config", "show", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let lines: Vec<&str> = text.lines().collect();
    for setting in shown["settings"].as_array().expect("a list") {
        let (key, source) =
            (setting["key"].as_str().expect("a key"), setting["source"].as_str().expect("a source"));
        let line = source.strip_prefix("frameway.toml:").unwrap_or_else(|| panic!("{key} is from {source}"));
        let line = lines[line.parse::<usize>().expect("a line") - 1];
        let (name, value) = line.split_once(" = ").expect("a setting");
        assert_eq!((name, Some(value.trim_matches('"'))), (key, setting["value"].as_str()), "{source}");
    }
}

#[test]
fn the_template_as_it_is_changes_nothing() {
    let template = stdout(&crate::frameway(&["config", "template"]));
    let output = Setup::new(&template).run(&["config", "show"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.lines().count() > 40 && text.lines().all(|line| line.ends_with("# default")), "{text}");
    assert_eq!(text, stdout(&crate::frameway(&["config", "show"])));
}

#[test]
fn the_page_is_the_reference() {
    let page = include_str!("../../docs/configuration.md");
    let output = crate::frameway(&["config", "reference"]);
    assert!(
        stdout(&output) == page,
        "docs/configuration.md is out of date: frameway config reference > docs/configuration.md"
    );
}

#[test]
fn every_wrong_line_of_a_file_is_reported_at_once() {
    let presets = "high-throughput, low-latency, low-bandwidth, low-memory";
    let size = "`2 parsecs` is not a size; write for example 1500, 250kB, 64KiB, 16MiB or 2GiB";
    let no_float = "invalid digit found in string";
    let split = "must be three whole percentages of at least 5 that add up to 100, for waiting frames, outputs \
                 and dead letters, as in 40/50/10";
    let lines = [
        ("preset = \"fast\"", format!("preset = \"fast\": must be one of {presets}")),
        ("listen = \":1\"", "`listen` belongs in the table [server]".to_owned()),
        ("[server]", String::new()),
        ("listn = \":1\"", "[server] has no setting `listn`; did you mean `listen`?".to_owned()),
        (
            "max-connections = 3",
            "[server] has no setting `max-connections`; did you mean `max_connections`?".to_owned(),
        ),
        ("max_side = 3", "`max_side` belongs in the table [limits], not in [server]".to_owned()),
        ("max_connections = 0", "max_connections = 0: 0 is not in 1..=100000".to_owned()),
        ("max_subscriptions = 1.5", format!("max_subscriptions = 1.5: {no_float}")),
        ("drain_timeout = 20", "drain_timeout = 20: time unit needed, for example 20sec or 20ms".to_owned()),
        (
            "handshake_timeout = [\"1s\"]",
            "handshake_timeout = [\"1s\"]: must be one value; found: array".to_owned(),
        ),
        ("auto_register = \"yes\"", "auto_register = \"yes\": must be true or false".to_owned()),
        ("role = \"both\"", "role = \"both\": must be one of all, api, worker".to_owned()),
        ("max_connection_age = \"1h\"", String::new()),
        ("[sever]", "there is no table [sever]; did you mean [server]?".to_owned()),
        ("[queue]", String::new()),
        ("redis_url = { hunter2 = 1 }", "redis_url: must be one value; found: inline table".to_owned()),
        ("memory_budget = \"2 parsecs\"", format!("memory_budget = \"2 parsecs\": {size}")),
        ("memory_split = \"40/50/20\"", format!("memory_split = \"40/50/20\": {split}")),
        (
            "xyzzy = 1",
            "[queue] has no setting `xyzzy`; `frameway config reference` lists all settings".to_owned(),
        ),
    ];
    let text: Vec<&str> = lines.iter().map(|(line, _)| *line).collect();
    let wrong = lines.iter().enumerate().filter(|(_, (_, what))| !what.is_empty());
    let wrong: Vec<String> =
        wrong.map(|(at, (_, what))| format!("\n  frameway.toml:{}: {what}", at + 1)).collect();
    let expected = format!("{} settings cannot be used:{}", wrong.len(), wrong.concat());
    assert_eq!(Setup::new(&text.join("\n")).refused(&[]), expected);
    // A flag does not hide what is wrong in the file.
    let said = Setup::new("[limits]\nmax_side = 0\n").refused(&["--max-side", "5"]);
    assert_eq!(said, "frameway.toml:2: max_side = 0: 0 is not in 1..=65535");
}

#[test]
fn a_file_that_cannot_be_read_is_reported_with_the_reason() {
    let named = |text: &str| Setup::new(text).refused(&[]);
    assert_eq!(
        named("[server]\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n"),
        "frameway.toml:3: `listen` is set for the second time"
    );
    let said = named("[queue]\nredis_url = redis://me:hunter2@host\n");
    assert!(said.starts_with("frameway.toml:2: not TOML: "), "{said}");
    let start = "frameway.toml: the configuration file ";
    assert_eq!(
        named("  \n"),
        format!("{start}is empty; `frameway config template` prints one to start from")
    );
    assert_eq!(named(&"#".repeat((1 << 20) + 1)), format!("{start}is larger than 1024 KiB"));
    let setup = Setup::new("");
    fs::write(setup.folder.path().join("frameway.toml"), [0xFF, 0xFE]).expect("writes");
    assert_eq!(setup.refused(&[]), format!("{start}is not UTF-8 text"));
    fs::remove_file(setup.folder.path().join("frameway.toml")).expect("removes");
    assert!(setup.refused(&[]).starts_with(&format!("{start}cannot be read: No such file")));
}

#[test]
fn a_secret_file_that_cannot_be_used_is_reported_with_its_variable() {
    let setup = Setup::new("# empty\n").with("FRAMEWAY_REDIS_URL_FILE", "secret");
    let said = setup.refused(&[]);
    assert!(said.starts_with("FRAMEWAY_REDIS_URL_FILE: secret cannot be read: No such file"), "{said}");
    for (text, why) in [
        (String::new(), "is empty"),
        ("\n".to_owned(), "is empty"),
        (
            "redis://me:hunter2@host\nmore\n".to_owned(),
            "has more than one line: it must contain the value only",
        ),
        ("x".repeat((1 << 20) + 1), "is larger than 1024 KiB"),
    ] {
        setup.write("secret", &text);
        assert_eq!(setup.refused(&[]), format!("FRAMEWAY_REDIS_URL_FILE: secret {why}"));
    }
}

#[test]
fn settings_that_contradict_each_other_are_named_with_their_places() {
    let setup = Setup::new("[tls]\ntls_cert = \"cert.pem\"\n[queue]\npartitions = 7\n");
    let expected = "2 settings cannot be used:\n  --partitions: must be a power of two from 1 to 1024 \
                    (--partitions is from frameway.toml:4)\n  --tls-cert: needs --tls-key, the private key of the \
                    certificate (--tls-cert is from frameway.toml:2; --tls-key is not set)";
    assert_eq!(setup.refused(&[]), expected);
    let setup =
        Setup::new("[limits]\nmax_picture_bytes = \"64MiB\"\n").with("FRAMEWAY_MAX_MESSAGE_BYTES", "1MiB");
    let said = setup.refused(&["--memory-budget", "8GiB"]);
    assert_eq!(
        said,
        "--max-message-bytes: must be from 67108864 to 1073741824 (--max-message-bytes is from environment \
         FRAMEWAY_MAX_MESSAGE_BYTES)"
    );
    let redis = "[queue]\nredis_url = \"redis://me:hunter2@host\"\nredis_user = \"you\"\n";
    let said = Setup::new(redis).refused(&[]);
    assert_eq!(
        said,
        "--redis-user: contradicts the URL of Redis, which names a user: remove one of them (--redis-user is from \
         frameway.toml:3)"
    );
}

#[test]
fn a_wrong_variable_is_named() {
    let setup = Setup::new("# empty\n").with("FRAMEWAY_MAX_CONNECTIONS", "0");
    let said = setup.refused(&[]);
    assert!(said.contains("in the environment variable FRAMEWAY_MAX_CONNECTIONS"), "{said}");
    let said = setup.refused(&["--max-connections=0"]);
    assert!(said.contains("--max-connections") && !said.contains("variable"), "{said}");
}

#[test]
fn a_check_warns_about_variables_that_mean_nothing_and_tries_everything() {
    let setup =
        Setup::new("[access]\naccess_file = \"none.toml\"\n[tls]\ntls_cert = \"c\"\ntls_key = \"k\"\n")
            .with("FRAMEWAY_MAX_CONECTIONS", "3")
            .with("FRAMEWAY_API_KEY_FILE", "key")
            .with("FRAMEWAY_REDIS_URL_FILE", "secret");
    setup.write("secret", "redis://me:hunter2@127.0.0.1:1\n");
    let output = setup.run(&["config", "check"]);
    let (said, failed) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(2), "{failed}");
    let warning = "warning: FRAMEWAY_MAX_CONECTIONS means nothing; did you mean FRAMEWAY_MAX_CONNECTIONS?";
    assert_eq!(said, format!("{warning}\nsettings: 1 from the environment, 3 from the file\n"));
    assert!(failed.starts_with("frameway: 3 checks failed:\n"), "{failed}");
    for part in [
        "\n  --tls-cert: c cannot be read",
        "\n  cannot use none.toml",
        "\n  using Redis at redis://***@127.0.0.1:1",
    ] {
        assert!(failed.contains(part), "{part:?} in {failed}");
    }
    assert!(!failed.contains("hunter2"), "{failed}");
    let output = Setup::new("# nothing\n").run(&["config", "check"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "settings: all have their defaults\n")
    );
}

/// Returns the texts of `/proc/PID/NAME` of all children of a process.
fn of_children(parent: u32, name: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).expect("Linux lists threads");
    let children =
        tasks.filter_map(|task| fs::read_to_string(task.expect("a thread").path().join("children")).ok());
    let ids: Vec<String> =
        children.flat_map(|ids| ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    ids.iter()
        .filter_map(|id| fs::read(Path::new("/proc").join(id).join(name)).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}

#[test]
fn a_worker_process_gets_the_settings_of_the_file_and_no_secret_is_public() {
    let redis = crate::redis::RedisServer::start();
    let url = redis.url();
    let (_, rest) = url.split_once("://").expect("a URL");
    let (login, _) = rest.split_once('@').expect("a user and a password");
    let (_, password) = login.split_once(':').expect("a password");
    let text = format!(
        "[queue]\nredis_url = \"{url}\"\n[log]\nlog_format = \"json\"\n[streams]\ndefault_quality = 20\ndefault_max_side = 64\n"
    );
    let setup = Setup::new(&text);
    let file = setup.folder.path().join("frameway.toml");
    let server = crate::server::Server::start_with_log(&["--config", &file.to_string_lossy()]);
    let picture = setup.folder.path();
    crate::draw(picture, 1);
    let picture = picture.join("1.jpg").to_string_lossy().into_owned();
    server.text(&["submit", &picture, "--stream", "cam", "--register"]);
    let frames = server.events(&["subscribe", "cam", "--from", "earliest", "--count", "1"]);
    let frame = frames.iter().find(|event| event["type"] == "frame").expect("a frame");
    assert_eq!(
        (&frame["encoded_quality"], &frame["pictures"][0]["width"]),
        (&json!(20), &json!(64)),
        "{frame}"
    );
    assert_eq!(server.json(&["info"])["default_output"]["quality"], 20, "the API has the same defaults");
    let words = of_children(server.id(), "cmdline");
    assert!(words.len() == 1 && words[0].contains("supervised-worker"), "{words:?}");
    for public in words.iter().chain(&of_children(server.id(), "environ")).chain([&server.log()]) {
        assert!(!public.contains(password), "the password is in {public}");
    }
    // The worker logs as the file says, too.
    let log = server.log();
    let worker = log.lines().filter(|line| line.contains("frameway::worker"));
    let lines: Vec<&str> = worker.collect();
    assert!(!lines.is_empty(), "{log}");
    for line in lines {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
