//! The layers of a configuration: flag, environment, file of a secret, configuration file, preset,
//! default. Each setting has the value of the first layer that sets it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};

use super::file::{self, FileSettings};
use super::problem::{Problem, Problems};
use super::settings::{self, Setting};
use super::{Args, Config, Preset, bounded};
use crate::domain::ValidationError;

/// The flags that name further sources of settings.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Configuration")]
struct SourceArgs {
    /// Configuration file (frameway.toml). A flag or an environment variable overrides what it says.
    /// `frameway config template` prints one to start from.
    #[arg(long, env = "FRAMEWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set of settings for a purpose (see docs/tuning.md); everything else overrides it.
    #[arg(long, env = "FRAMEWAY_PRESET", value_enum)]
    preset: Option<Preset>,
}

/// The place that a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag on the command line.
    Flag,
    /// This environment variable.
    Variable(String),
    /// The file that this environment variable names.
    SecretFile(String),
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// A preset.
    Preset(Preset),
    /// The default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::SecretFile(name) => write!(f, "file of {name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Preset(preset) => write!(f, "preset {preset}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting with the value in force.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) setting: Setting,
    /// `None` if the setting is unset. The value may be secret: see [`Setting::shown`].
    value: Option<String>,
    pub(crate) source: Source,
}

impl Effective {
    /// Returns the value without its secret parts.
    pub(crate) fn shown(&self) -> Option<String> {
        self.value.as_deref().map(|value| self.setting.shown(value))
    }
}

/// A checked configuration, and where each of its values comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The settings in the order of the help.
    pub(crate) settings: Vec<Effective>,
    /// The preset and its source, if there is one.
    pub(crate) preset: Option<(Preset, Source)>,
}

/// The flags and the environment of a command that needs a [`Config`]. Its file is not read yet.
#[derive(Clone)]
pub struct Given {
    matches: ArgMatches,
}

/// Shows nothing: the values may be secret.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").finish_non_exhaustive()
    }
}

impl clap::Args for Given {
    fn augment_args(command: Command) -> Command {
        Args::augment_args(SourceArgs::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { matches: matches.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.matches = matches.clone();
        Ok(())
    }
}

/// The values that a layer gives a setting.
#[derive(Debug)]
struct Layer {
    values: Vec<OsString>,
    source: Source,
}

impl Given {
    /// Reads the configuration file and the files of secrets, and checks the result.
    ///
    /// # Errors
    /// Returns everything that is wrong with the file; or, if nothing is, which settings contradict
    /// each other.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let settings = Setting::all();
        let files: Vec<Setting> = Setting::in_files();
        let path = self.matches.get_one::<PathBuf>("config");
        let mut found = match path {
            Some(path) => file::read(path, &files)?,
            None => FileSettings::default(),
        };
        let mut problems = std::mem::take(&mut found.problems);
        let preset = self.preset(path, &found);
        let mut layers = HashMap::new();
        for setting in &settings {
            match self.layer(setting, path, &found, preset.as_ref()) {
                Ok(Some(layer)) => {
                    layers.insert(setting.id().to_owned(), layer);
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let args = parse(&settings, &layers)?;
        let effective = settings.into_iter().map(|setting| effective(setting, &layers));
        let mut settings: Vec<Effective> = effective.collect();
        let config = Config::check(args).map_err(|errors| {
            Problems(errors.into_iter().map(|error| with_sources(error, &settings)).collect())
        })?;
        settings.retain(|one| files.iter().any(|setting| setting.id() == one.setting.id()));
        for (key, value) in config.computed() {
            for one in settings.iter_mut().filter(|one| one.setting.key() == key && one.value.is_none()) {
                one.value = Some(value.clone());
            }
        }
        Ok(Loaded { config, settings, preset })
    }

    fn preset(&self, path: Option<&PathBuf>, found: &FileSettings) -> Option<(Preset, Source)> {
        let given = self.matches.get_one::<Preset>("preset").copied();
        match (given, path, found.preset) {
            (Some(preset), _, _) if self.is_from_variable("preset") => {
                Some((preset, Source::Variable("FRAMEWAY_PRESET".to_owned())))
            }
            (Some(preset), _, _) => Some((preset, Source::Flag)),
            (None, Some(path), Some((preset, line))) => Some((preset, Source::File(path.clone(), line))),
            (None, _, _) => None,
        }
    }

    fn is_from_variable(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::EnvVariable)
    }

    /// Returns the first layer that sets a setting; `None` if it has its default.
    fn layer(
        &self,
        setting: &Setting,
        path: Option<&PathBuf>,
        found: &FileSettings,
        preset: Option<&(Preset, Source)>,
    ) -> Result<Option<Layer>, Problem> {
        let given = self.given(setting);
        if let Some(Layer { source: Source::Flag, .. }) = given {
            return Ok(given);
        }
        if let Some(variable) = setting.file_variable()
            && let Some(file) = std::env::var_os(&variable).filter(|file| !file.is_empty())
        {
            if let Some(Layer { source: Source::Variable(other), .. }) = given {
                return Err(Problem::new(variable, format!("contradicts {other}: unset one of them")));
            }
            return secret(setting, variable, Path::new(&file)).map(Some);
        }
        if given.is_some() {
            return Ok(given);
        }
        let in_file = found.values.iter().find(|value| value.id == setting.id());
        if let (Some(value), Some(path)) = (in_file, path) {
            let source = Source::File(path.clone(), value.line);
            return Ok(Some(Layer { values: value.values.clone(), source }));
        }
        Ok(preset.and_then(|(preset, _)| {
            let (_, value) = preset.settings().iter().find(|(key, _)| *key == setting.id())?;
            Some(Layer { values: vec![value.into()], source: Source::Preset(*preset) })
        }))
    }

    /// Returns the value of a flag or a variable.
    fn given(&self, setting: &Setting) -> Option<Layer> {
        let id = setting.id();
        let origin = self.matches.value_source(id)?;
        let source = if origin == ValueSource::CommandLine {
            Source::Flag
        } else if origin == ValueSource::EnvVariable {
            Source::Variable(setting.variable()?)
        } else {
            return None;
        };
        let values = match setting.is_switch() {
            true => vec![self.matches.get_flag(id).to_string().into()],
            false => self.matches.get_raw(id)?.map(OsString::from).collect(),
        };
        Some(Layer { values, source })
    }
}

/// Reads a secret from the file that a variable names.
fn secret(setting: &Setting, variable: String, file: &Path) -> Result<Layer, Problem> {
    let wrong = |why: String| Problem::new(&variable, format!("{} {why}", file.display()));
    let values = vec![OsString::from(bounded::read_secret(file).map_err(wrong)?)];
    setting.check(&values).map_err(|why| wrong(format!("has no valid value: {why}")))?;
    Ok(Layer { values, source: Source::SecretFile(variable) })
}

/// Turns the values of all layers into settings, as the command line would.
fn parse(settings: &[Setting], layers: &HashMap<String, Layer>) -> Result<Args, Problems> {
    let values = |setting: &Setting| layers.get(setting.id()).map(|layer| setting.words(&layer.values));
    let words = settings.iter().filter_map(values).flatten();
    let matches = settings::command().try_get_matches_from(words);
    // Each value was checked, so this can only be a rule about several flags.
    let parsed = matches.and_then(|matches| Args::from_arg_matches(&matches));
    parsed.map_err(|error| Problem::new("the settings", error.kind().to_string()).into())
}

fn effective(setting: Setting, layers: &HashMap<String, Layer>) -> Effective {
    match layers.get(setting.id()) {
        Some(Layer { values, source }) => {
            let texts: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
            Effective { value: Some(texts.join(",")), source: source.clone(), setting }
        }
        None => Effective { value: setting.default(), source: Source::Default, setting },
    }
}

/// Adds to an error where the settings that it names come from, unless all are flags or defaults.
fn with_sources(error: ValidationError, settings: &[Effective]) -> Problem {
    let ValidationError { field, message } = error;
    let text = format!("{field} {message}");
    let named: Vec<&Effective> = settings.iter().filter(|one| names(&text, &one.setting.flag())).collect();
    if named.iter().all(|one| matches!(one.source, Source::Flag | Source::Default)) {
        return Problem::new(field, message);
    }
    let origin = |one: &&Effective| {
        let flag = one.setting.flag();
        match (&one.source, &one.value) {
            (Source::Default, None) => format!("{flag} is not set"),
            (source, _) => format!("{flag} is from {source}"),
        }
    };
    let origins: Vec<String> = named.iter().map(origin).collect();
    Problem::new(field, format!("{message} ({})", origins.join("; ")))
}

/// Reports whether a text has this flag, and not just a longer one.
fn names(text: &str, flag: &str) -> bool {
    text.match_indices(flag).any(|(at, _)| {
        !text[at + flag.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-')
    })
}
