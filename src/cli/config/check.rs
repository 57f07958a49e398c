//! `frameway config check`.

use std::ffi::OsString;

use anyhow::anyhow;
use clap::CommandFactory as _;

use crate::app;
use crate::cli::Cli;
use crate::config::{Given, Loaded, Setting, Source, nearest};
use crate::console::{Failure, VARIABLES};

/// The beginning of the names of our variables.
const PREFIX: &str = "FRAMEWAY_";
/// The names of variables that Kubernetes sets for a service that is called `frameway`.
const KUBERNETES: [&str; 3] = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];

/// Checks everything, and prints what it finds.
pub(super) async fn run(given: &Given) -> Result<(), Failure> {
    for warning in unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        println!("warning: {warning}");
    }
    let loaded = given.load().map_err(|problems| Failure::Usage(problems.into()))?;
    println!("settings: {}", summary(&loaded));
    let config = &loaded.config;
    let mut failures = Vec::new();
    let found = [
        app::check_tls(config).map_err(Failure::Usage),
        app::check_access(config).map_err(Failure::Usage),
        check_backend(config).await,
    ];
    for found in found {
        match found {
            Ok(Some(found)) => println!("found: {found}"),
            Ok(None) => {}
            Err(failure) => failures.push(failure),
        }
    }
    joined(failures).map_or(Ok(()), Err)
}

/// Returns one failure for all of them.
fn joined(mut failures: Vec<Failure>) -> Option<Failure> {
    if failures.len() < 2 {
        return failures.pop();
    }
    let is_usage = failures.iter().any(|failure| matches!(failure, Failure::Usage(_)));
    let text = |failure: &Failure| match failure {
        Failure::Usage(error) | Failure::Failed(error) => format!("\n  {error:#}"),
    };
    let texts: String = failures.iter().map(text).collect();
    let error = anyhow!("{} checks failed:{texts}", failures.len());
    Some(if is_usage { Failure::Usage(error) } else { Failure::Failed(error) })
}

/// Returns how many settings come from where.
fn summary(loaded: &Loaded) -> String {
    let count =
        |counted: fn(&Source) -> bool| loaded.settings.iter().filter(|one| counted(&one.source)).count();
    let counts = [
        (count(|source| matches!(source, Source::Flag)), "flags"),
        (count(|source| matches!(source, Source::Variable(_) | Source::SecretFile(_))), "the environment"),
        (count(|source| matches!(source, Source::File(..))), "the file"),
        (count(|source| matches!(source, Source::Preset(_))), "the preset"),
    ];
    let given =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, from)| format!("{count} from {from}"));
    let given: Vec<String> = given.collect();
    if given.is_empty() { "all have their defaults".to_owned() } else { given.join(", ") }
}

/// Contacts the configured backend without changing anything there.
async fn check_backend(config: &crate::config::Config) -> Result<Option<String>, Failure> {
    let checked = app::check_backend(&config.queue).await;
    checked.map_err(|error| {
        let retryable = error.is_retryable();
        let context = format!("using Redis at {}", config.queue.backend);
        let error = anyhow::Error::from(error).context(context);
        // A retryable error may pass by itself. Any other error needs other settings, so it is a
        // usage failure.
        if retryable { Failure::Failed(error) } else { Failure::Usage(error) }
    })
}

/// Returns a warning for each variable that seems to be ours and means nothing.
fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let known = known_variables();
    let unknown = |name: &String| {
        name.starts_with(PREFIX)
            && !known.contains(name)
            && !KUBERNETES.iter().any(|part| name.contains(part))
    };
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).filter(unknown).collect();
    names.sort();
    // All names begin alike, so only the rest tells how alike they are.
    let rests = || known.iter().filter_map(|name| name.strip_prefix(PREFIX));
    let warning = |name: String| match nearest(&name[PREFIX.len()..], rests()) {
        Some(near) => format!("{name} means nothing; did you mean {PREFIX}{near}?"),
        None => format!("{name} means nothing"),
    };
    names.into_iter().map(warning).collect()
}

/// Returns all variables that a command of this program reads.
fn known_variables() -> Vec<String> {
    fn of(command: &clap::Command) -> Vec<String> {
        let own = command.get_arguments().filter_map(clap::Arg::get_env);
        let own = own.map(|name| name.to_string_lossy().into_owned());
        own.chain(command.get_subcommands().flat_map(of)).collect()
    }
    let files = Setting::all().into_iter().filter_map(|setting| setting.file_variable());
    of(&Cli::command()).into_iter().chain(files).chain(VARIABLES.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_variables_are_found() {
        let names = [
            "FRAMEWAY_MAX_CONECTIONS",
            "FRAMEWAY_LISTEN",
            "FRAMEWAY_REDIS_URL_FILE",
            "FRAMEWAY_API_KEY",
            "FRAMEWAY_TOKEN_FILE",
            "FRAMEWAY_SERVICE_HOST",
            "FRAMEWAY_PORT_7400_TCP",
            "FRAMEWAY_XYZZY",
            "PATH",
        ];
        let warnings = unknown_variables(names.into_iter().map(OsString::from));
        let expected = [
            "FRAMEWAY_MAX_CONECTIONS means nothing; did you mean FRAMEWAY_MAX_CONNECTIONS?",
            "FRAMEWAY_XYZZY means nothing",
        ];
        assert_eq!(warnings, expected);
    }
}
