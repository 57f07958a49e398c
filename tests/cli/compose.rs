//! The command lines in `docker-compose.yml` and `Dockerfile`, which the program must accept.

use crate::redis::RedisServer;
use crate::{frameway, stderr, stdout};

const COMPOSE: &str = include_str!("../../docker-compose.yml");
const DOCKERFILE: &str = include_str!("../../Dockerfile");

/// Reads a command line in the form of both files: a JSON list on one line.
fn words(list: &str) -> Vec<String> {
    serde_json::from_str(list).unwrap_or_else(|error| panic!("not a JSON list of words: {list}: {error}"))
}

/// Returns the `command` of each service that runs our image. A service has its image before its
/// command.
fn compose_commands() -> Vec<Vec<String>> {
    let lines = || COMPOSE.lines().map(str::trim);
    let mut image = "";
    let mut commands = Vec::new();
    for line in lines() {
        if let Some(name) = line.strip_prefix("image: ") {
            image = name;
        } else if let Some(list) = line.strip_prefix("command: ")
            && image == "frameway"
        {
            commands.push(words(list));
        }
    }
    let services = lines().filter(|line| *line == "image: frameway").count();
    assert_eq!(commands.len(), services, "each service of ours has a command");
    commands
}

/// Returns the commands of the image: the one after its entry point, and its health check.
fn image_commands() -> [Vec<String>; 2] {
    let text = DOCKERFILE.replace("\\\n", "");
    let after = |instruction: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(instruction));
        line.unwrap_or_else(|| panic!("Dockerfile: no {instruction}"))
    };
    let (_, check) = after("HEALTHCHECK ").split_once("CMD ").expect("a command of the health check");
    [[words(after("ENTRYPOINT ")), words(after("CMD "))].concat(), words(check)].map(|mut command| {
        assert_eq!(command.remove(0), "frameway");
        command
    })
}

#[test]
fn every_server_of_the_compose_file_and_the_image_has_a_valid_configuration() {
    let redis = RedisServer::start();
    let url = redis.url();
    let address = url.trim_start_matches("redis://");
    let commands = [compose_commands(), image_commands().to_vec()].concat();
    let mut roles = Vec::new();
    for mut command in commands {
        if command[0] != "serve" {
            continue;
        }
        roles.extend(command.windows(2).filter(|pair| pair[0] == "--role").map(|pair| pair[1].clone()));
        for word in &mut command {
            // Only the compose network knows this name.
            *word = word.replace("redis:6379", address);
        }
        // By itself, the image refuses to be reached without TLS and an access file.
        if command.iter().any(|word| word.starts_with("0.0.0.0:")) && !command.contains(&"--insecure".into())
        {
            let refused = frameway(&command.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(stderr(&refused).contains("set --tls-cert and --tls-key"), "{command:?}");
            command.push("--insecure".to_owned());
        }
        command.splice(0..1, ["config".to_owned(), "check".to_owned()]);
        let output = frameway(&command.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    }
    assert_eq!(roles, ["api", "worker"]);
}

#[test]
fn every_other_command_of_the_compose_file_and_the_image_exists_with_its_flags() {
    let mut tried = 0;
    for command in [compose_commands(), image_commands().to_vec()].concat() {
        let (name, flags) = command.split_first().expect("a subcommand");
        if name == "serve" {
            continue;
        }
        let help = frameway(&[name, "--help"]);
        assert!(help.status.success(), "{command:?}: {}", stderr(&help));
        let help = stdout(&help);
        for flag in flags.iter().filter(|word| word.starts_with("--")) {
            let flag = flag.split('=').next().unwrap_or_default();
            let known = help.split(|letter: char| !(letter.is_alphanumeric() || letter == '-'));
            assert!(known.into_iter().any(|word| word == flag), "{command:?}: no {flag} in\n{help}");
        }
        tried += 1;
    }
    assert!(tried > 0, "the health check of the image");
}
