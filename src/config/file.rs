//! Reads `frameway.toml`: tables of settings.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use clap::ValueEnum as _;
use toml_edit::{Document, Item, Table, Value};

use super::problem::{Problem, Problems, nearest};
use super::settings::Setting;
use super::{Preset, bounded};

/// The only key that is in no table, because a preset has settings of several tables.
const PRESET: &str = "preset";

/// The contents of a configuration file.
#[derive(Debug, Default)]
pub(super) struct FileSettings {
    /// The settings that have a valid value.
    pub(super) values: Vec<FileValue>,
    /// The preset, with its line.
    pub(super) preset: Option<(Preset, usize)>,
    /// Everything else.
    pub(super) problems: Vec<Problem>,
}

/// A setting of a file.
#[derive(Debug)]
pub(super) struct FileValue {
    /// The setting's [`Setting::id`].
    pub(super) id: String,
    pub(super) values: Vec<OsString>,
    pub(super) line: usize,
}

/// Reads the file and checks each value by itself.
///
/// # Errors
/// Returns an error if the file cannot be read, or is not TOML. Settings that cannot be used are
/// part of the result, so that all of them are reported at once.
pub(super) fn read(file: &Path, settings: &[Setting]) -> Result<FileSettings, Problems> {
    let name = file.display().to_string();
    let text = bounded::read(file).map_err(|why| {
        let hint =
            if why == "is empty" { "; `frameway config template` prints one to start from" } else { "" };
        Problem::new(&name, format!("the configuration file {why}{hint}"))
    })?;
    let document = Document::parse(text.as_str()).map_err(|error| {
        let line = line_at(&text, error.span().as_ref());
        let key = error.span().and_then(|span| text.get(span)).map(str::trim).unwrap_or_default();
        let what = match error.message() {
            "duplicate key" => format!("`{key}` is set for the second time"),
            // Other parts of the text may be a secret.
            message => format!("not TOML: {}", message.trim_end().replace('\n', ", ")),
        };
        Problem::new(format!("{name}:{line}"), what)
    })?;
    let mut reader = Reader { name, text: &text, settings, found: FileSettings::default() };
    reader.document(document.as_table());
    Ok(reader.found)
}

/// Returns the line of a position, from 1 on.
fn line_at(text: &str, span: Option<&Range<usize>>) -> usize {
    let at = span.map_or(0, |span| span.start.min(text.len()));
    1 + text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count()
}

struct Reader<'a> {
    name: String,
    text: &'a str,
    settings: &'a [Setting],
    found: FileSettings,
}

impl Reader<'_> {
    fn document(&mut self, document: &Table) {
        let mut tables: Vec<String> = self.settings.iter().map(Setting::table).collect();
        tables.dedup();
        for (key, item) in document {
            let line = self.line(document.key(key).and_then(toml_edit::Key::span).or(item.span()));
            if key == PRESET {
                self.preset(item, line);
            } else if let Some(table) = item.as_table_like().filter(|_| tables.iter().any(|name| name == key))
            {
                for (name, item) in table.iter() {
                    let line = self.line(table.key(name).and_then(toml_edit::Key::span).or(item.span()));
                    self.setting(key, name, item, line);
                }
            } else {
                let what = self.unknown_at_top(key, item, &tables);
                self.refuse(line, what);
            }
        }
    }

    fn unknown_at_top(&self, key: &str, item: &Item, tables: &[String]) -> String {
        let names = || tables.iter().map(String::as_str);
        if let Some(setting) = self.settings.iter().find(|setting| setting.key() == key.replace('-', "_")) {
            return format!("`{key}` belongs in the table [{}]", setting.table());
        }
        if tables.iter().any(|name| name == key) {
            return format!("`{key}` must be a table of settings; found: {}", item.type_name());
        }
        match nearest(key, names().chain([PRESET])) {
            Some(PRESET) => format!("there is no key `{key}`; did you mean `{PRESET}`?"),
            Some(near) => format!("there is no table [{key}]; did you mean [{near}]?"),
            None => {
                format!(
                    "there is no table [{key}]; the tables are {}",
                    names().collect::<Vec<_>>().join(", ")
                )
            }
        }
    }

    fn preset(&mut self, item: &Item, line: usize) {
        match item.as_str().map(|name| Preset::from_str(name, false)) {
            Some(Ok(preset)) => self.found.preset = Some((preset, line)),
            Some(Err(_)) | None => {
                let names: Vec<_> = Preset::value_variants().iter().map(ToString::to_string).collect();
                let shown = shortened(&item.to_string());
                self.refuse(line, format!("preset = {shown}: must be one of {}", names.join(", ")));
            }
        }
    }

    fn setting(&mut self, table: &str, key: &str, item: &Item, line: usize) {
        let all = self.settings;
        let Some(setting) = all.iter().find(|setting| setting.table() == table && setting.key() == key)
        else {
            let what = self.unknown(table, key);
            return self.refuse(line, what);
        };
        let checked = texts(setting, item).and_then(|values| {
            setting.check(&values)?;
            Ok(values)
        });
        match checked {
            Ok(values) => {
                self.found.values.push(FileValue { id: setting.id().to_owned(), values, line });
            }
            // Not even a part of a secret is shown.
            Err(why) if setting.is_secret() => self.refuse(line, format!("{key}: {why}")),
            Err(why) => {
                let shown = shortened(&item.to_string());
                self.refuse(line, format!("{key} = {shown}: {why}"));
            }
        }
    }

    fn unknown(&self, table: &str, key: &str) -> String {
        let spelled = key.replace('-', "_");
        let settings = || self.settings.iter();
        if let Some(setting) = settings().find(|setting| setting.key() == spelled && setting.table() != table)
        {
            return format!("`{key}` belongs in the table [{}], not in [{table}]", setting.table());
        }
        let here: Vec<String> =
            settings().filter(|setting| setting.table() == table).map(Setting::key).collect();
        match nearest(&spelled, here.iter().map(String::as_str)) {
            Some(near) => format!("[{table}] has no setting `{key}`; did you mean `{near}`?"),
            None => {
                format!("[{table}] has no setting `{key}`; `frameway config reference` lists all settings")
            }
        }
    }

    fn refuse(&mut self, line: usize, what: String) {
        self.found.problems.push(Problem::new(format!("{}:{line}", self.name), what));
    }

    fn line(&self, span: Option<Range<usize>>) -> usize {
        line_at(self.text, span.as_ref())
    }
}

/// Returns the texts of a value as they would be on a command line.
fn texts(setting: &Setting, item: &Item) -> Result<Vec<OsString>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.value().into()),
        Value::Integer(number) => Ok(number.value().to_string().into()),
        Value::Float(number) => Ok(number.value().to_string().into()),
        Value::Boolean(on) => Ok(on.value().to_string().into()),
        Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => {
            Err(format!("must be one value; found: {}", value.type_name()))
        }
    };
    match item.as_value() {
        Some(Value::Array(list)) if setting.is_list() => list.iter().map(text).collect(),
        Some(value) => Ok(vec![text(value)?]),
        None => Err(format!("must be one value; found: {}", item.type_name())),
    }
}

/// Returns at most 60 characters of a value, on one line.
fn shortened(value: &str) -> String {
    const MAX_CHARS: usize = 60;
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
