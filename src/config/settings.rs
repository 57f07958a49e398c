//! The settings of a server, as the command line defines them: each flag of [`Args`] is a setting,
//! with its key in the file, its variable, its default and its help.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use super::Args;

/// A setting of a server.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    arg: Arg,
}

/// Returns a command whose only flags are the settings. It reads no environment.
pub(super) fn command() -> Command {
    let bare = Command::new("settings").no_binary_name(true).disable_help_flag(true);
    <Args as clap::Args>::augment_args(bare).mut_args(|arg| arg.env(None))
}

impl Setting {
    /// Returns all settings in the order of the help.
    pub(crate) fn all() -> Vec<Self> {
        let command = <Args as clap::Args>::augment_args(Command::new("settings"));
        command.get_arguments().map(|arg| Self { arg: arg.clone() }).collect()
    }

    /// Returns the settings that a file may contain, in the order of the help.
    pub(crate) fn in_files() -> Vec<Self> {
        Self::all().into_iter().filter(|setting| !setting.arg.is_hide_set()).collect()
    }

    /// Returns the name of the setting in the parsed command line.
    pub(super) fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// Returns the table of the setting in a file: the heading of its flag, in lower case.
    pub(crate) fn table(&self) -> String {
        self.arg.get_help_heading().unwrap_or("server").to_lowercase().replace(' ', "_")
    }

    /// Returns the key of the setting in its table.
    pub(crate) fn key(&self) -> String {
        self.long().replace('-', "_")
    }

    fn long(&self) -> &str {
        self.arg.get_long().unwrap_or_else(|| self.id())
    }

    /// Returns the flag.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.long())
    }

    /// Returns the environment variable.
    pub(crate) fn variable(&self) -> Option<String> {
        self.arg.get_env().map(|name| name.to_string_lossy().into_owned())
    }

    /// Returns the environment variable that names a file with the value; only secrets have one.
    pub(crate) fn file_variable(&self) -> Option<String> {
        self.variable().filter(|_| self.is_secret()).map(|name| format!("{name}_FILE"))
    }

    /// Reports whether the value is secret. The definition of the flag says so with
    /// `hide_env_values`.
    pub(crate) fn is_secret(&self) -> bool {
        self.arg.is_hide_env_values_set()
    }

    /// Reports whether the setting is a switch: true or false.
    pub(crate) fn is_switch(&self) -> bool {
        !self.arg.get_action().takes_values()
    }

    /// Reports whether the setting may have several values.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    /// Returns the default values; none if the setting is unset by default.
    pub(crate) fn default(&self) -> Option<String> {
        if self.is_switch() {
            return Some("false".to_owned());
        }
        let values = self.arg.get_default_values();
        let texts: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
        (!texts.is_empty()).then(|| texts.join(","))
    }

    /// Returns the name of the value in the help, for example `TIME`.
    pub(crate) fn value_name(&self) -> String {
        let names = self.arg.get_value_names().and_then(|names| names.first());
        names.map_or_else(|| self.long().to_uppercase(), ToString::to_string)
    }

    /// Returns the words to choose from, each with its meaning; none if the value is not a choice.
    pub(crate) fn choices(&self) -> Vec<(String, String)> {
        if self.is_switch() {
            return Vec::new();
        }
        let values = self.arg.get_possible_values();
        let help = |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string);
        values.iter().map(|value| (value.get_name().to_owned(), help(value).unwrap_or_default())).collect()
    }

    /// Returns a value that the setting accepts: the default, if there is one. A switch is on.
    pub(crate) fn example(&self) -> String {
        if self.is_switch() {
            return "true".to_owned();
        }
        if let Some(value) = self.default().or_else(|| Some(self.choices().first()?.0.clone())) {
            return value;
        }
        let name = self.value_name();
        match name.as_str() {
            "FILE" => format!("/etc/frameway/{}", self.key()),
            "N" => "8".to_owned(),
            "TIME" => "1h".to_owned(),
            "SIZE" => "64MiB".to_owned(),
            "URL" => "redis://localhost:6379/0".to_owned(),
            "COLLECTOR" => "http://127.0.0.1:4317".to_owned(),
            "ADDRESS" => "127.0.0.1:7401".to_owned(),
            "ADDRESS:PORT" => "127.0.0.1:7400".to_owned(),
            "ORIGIN" => "https://wall.example".to_owned(),
            "NAME" | "ID" => "name".to_owned(),
            _ => name,
        }
    }

    /// Returns the help, in one paragraph per line.
    pub(crate) fn help(&self) -> String {
        let help = self.arg.get_long_help().or_else(|| self.arg.get_help());
        let text = help.map(ToString::to_string).unwrap_or_default();
        if text.ends_with(['.', ':']) { text } else { format!("{text}.") }
    }

    /// Returns the words of a command line that give the setting these values.
    pub(super) fn words(&self, values: &[OsString]) -> Vec<OsString> {
        if self.is_switch() {
            let is_on = values.iter().any(|value| value == "true");
            return if is_on { vec![self.flag().into()] } else { Vec::new() };
        }
        let word = |value: &OsString| {
            let mut word = OsString::from(format!("{}=", self.flag()));
            word.push(value);
            word
        };
        values.iter().map(word).collect()
    }

    /// Checks values as the command line would.
    ///
    /// # Errors
    /// Returns the reason why the setting does not accept them.
    pub(super) fn check(&self, values: &[OsString]) -> Result<(), String> {
        if self.is_switch() {
            let is_bool = values.iter().all(|value| value == "true" || value == "false");
            return if is_bool { Ok(()) } else { Err("must be true or false".to_owned()) };
        }
        let alone = Command::new("setting").no_binary_name(true).arg(self.arg.clone().env(None));
        alone.try_get_matches_from(self.words(values)).map(|_| ()).map_err(|error| why(&error))
    }

    /// Returns a value in the form that may be shown: of a secret, only what is none.
    pub(crate) fn shown(&self, value: &str) -> String {
        match self.is_secret() {
            false => value.to_owned(),
            // The display of a URL leaves out user, password and query.
            true if value.contains("://") => super::RedisUrl::from(value).to_string(),
            true => "***".to_owned(),
        }
    }
}

/// Returns the reason in an error of the command line, without the value, which may be secret.
fn why(error: &clap::Error) -> String {
    match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(words))) => format!("must be one of {}", words.join(", ")),
        (None, _) => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_table_a_variable_and_a_help() {
        let settings = Setting::in_files();
        assert!(settings.len() > 40, "{}", settings.len());
        for setting in settings {
            let name = setting.flag();
            assert!(setting.arg.get_help_heading().is_some(), "{name} has no help heading");
            assert!(setting.help().len() > 5, "{name} has no help");
            let variable = format!("FRAMEWAY_{}", setting.key().to_uppercase());
            assert_eq!(setting.variable(), Some(variable), "{name}");
            assert_eq!(setting.id(), setting.key(), "{name}");
        }
    }

    #[test]
    fn secrets_are_masked() {
        let settings = Setting::all();
        let url = settings.iter().find(|setting| setting.key() == "redis_url").expect("a setting");
        assert_eq!(url.shown("redis://me:secret@host:1/0"), "redis://***@host:1/0");
        assert_eq!(url.shown("secret"), "***");
        assert_eq!(url.file_variable().as_deref(), Some("FRAMEWAY_REDIS_URL_FILE"));
        let secrets = settings.iter().filter(|setting| setting.file_variable().is_some()).count();
        assert!(secrets < settings.len() / 10, "only secrets have a variable for a file");
    }
}
