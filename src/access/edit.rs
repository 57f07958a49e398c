//! Edits the keys in an access file, and leaves everything else in it as it is.

use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::error::FileError;
use super::file::Source;
use super::key::ApiKey;
use crate::domain::check_id;

/// A key in an access file, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// Its id.
    pub id: String,
    /// The principal that it belongs to.
    pub principal: String,
    /// The time at which it was created, as text; empty if unknown.
    pub create_time: String,
    /// The time from which it is not valid any more, as text; empty if never.
    pub expire_time: String,
}

/// An access file that is being edited.
#[derive(Debug)]
pub struct AccessFile {
    document: DocumentMut,
}

impl AccessFile {
    /// Opens a file; one that does not exist is empty.
    ///
    /// # Errors
    /// The file cannot be read, or is not TOML.
    pub fn open(file: &Path) -> Result<Self, FileError> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(FileError::new(file, error)),
        };
        let wrong =
            |error: toml_edit::TomlError| FileError::in_text(file, &text, error.message(), error.span());
        let document = text.parse().map_err(wrong)?;
        Ok(Self { document })
    }

    /// Adds a new key of `principal`, which is created if it does not exist, and adds the roles and
    /// grants to the principal.
    ///
    /// # Errors
    /// Returns a text: the name of the principal is not valid, or the file has something else in
    /// the place of a table.
    pub fn create_key(
        &mut self,
        principal: &str,
        roles: &[String],
        grants: &[String],
        expires: Option<SystemTime>,
    ) -> Result<ApiKey, String> {
        check_id("principal", principal).map_err(|error| error.to_string())?;
        let root = self.document.as_table_mut();
        let principals = root.entry("principals").or_insert_with(implicit).as_table_mut();
        let principals = principals.ok_or("principals is not a table")?;
        let entry = principals.entry(principal).or_insert_with(|| Item::Table(Table::new())).as_table_mut();
        let entry = entry.ok_or_else(|| format!("principal {principal:?} is not a table"))?;
        extend(entry, "roles", roles)?;
        extend(entry, "grants", grants)?;
        let keys = entry.entry("keys").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let keys = keys.as_array_of_tables_mut().ok_or("keys is not an array of tables ([[...]])")?;
        let key = ApiKey::generate();
        let mut table = Table::new();
        table.insert("id", value(key.id()));
        table.insert("sha256", value(key.digest().to_string()));
        table.insert("create_time", value(text_of(SystemTime::now())));
        if let Some(expires) = expires {
            table.insert("expire_time", value(text_of(expires)));
        }
        keys.push(table);
        Ok(key)
    }

    /// Returns all keys.
    #[must_use]
    pub fn keys(&self) -> Vec<ListedKey> {
        let mut found = Vec::new();
        let principals = self.document.get("principals").and_then(Item::as_table);
        for (principal, entry) in principals.into_iter().flat_map(Table::iter) {
            let keys = entry.get("keys").and_then(Item::as_array_of_tables);
            for key in keys.into_iter().flat_map(ArrayOfTables::iter) {
                let text = |name: &str| key.get(name).and_then(Item::as_str).unwrap_or_default().to_owned();
                found.push(ListedKey {
                    id: text("id"),
                    principal: principal.to_owned(),
                    create_time: text("create_time"),
                    expire_time: text("expire_time"),
                });
            }
        }
        found
    }

    /// Removes a key; returns whether it was there.
    pub fn revoke_key(&mut self, id: &str) -> bool {
        let principals = self.document.get_mut("principals").and_then(Item::as_table_mut);
        for (_, entry) in principals.into_iter().flat_map(Table::iter_mut) {
            let Some(keys) = entry.get_mut("keys").and_then(Item::as_array_of_tables_mut) else { continue };
            let before = keys.len();
            keys.retain(|key| key.get("id").and_then(Item::as_str) != Some(id));
            if keys.len() < before {
                return true;
            }
        }
        false
    }

    /// Writes the file, if a server would accept it. A reader finds the old file or the new one. A
    /// new file can be read and written by its owner only.
    ///
    /// # Errors
    /// The file cannot be written, or a server would not accept it.
    pub fn save(&self, file: &Path) -> Result<(), FileError> {
        // A link is followed, so that it remains one.
        let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let failed = |error: std::io::Error| FileError::new(file, error);
        let mut fresh = tempfile_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        let written = (|| {
            fresh.file.write_all(self.document.to_string().as_bytes())?;
            fresh.file.sync_all()?;
            if let Ok(before) = std::fs::metadata(&target) {
                fresh.file.set_permissions(before.permissions())?;
            }
            Ok(())
        })();
        written.map_err(failed)?;
        Source::read(&fresh.path)
            .and_then(|source| source.rules(None))
            .map_err(|error| FileError::new(file, format!("not changed: {}", error.why)))?;
        std::fs::rename(&fresh.path, &target).map_err(failed)
    }
}

/// A new file, which is removed unless it was renamed.
struct Fresh {
    path: std::path::PathBuf,
    file: std::fs::File,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _renamed = std::fs::remove_file(&self.path);
    }
}

fn tempfile_in(folder: &Path) -> std::io::Result<Fresh> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join(format!(".access-{:016x}.toml", rand::random::<u64>()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(Fresh { path, file })
}

/// Returns a table whose own heading is not written.
fn implicit() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

/// Adds texts to a list, each once.
fn extend(entry: &mut Table, name: &str, texts: &[String]) -> Result<(), String> {
    if texts.is_empty() {
        return Ok(());
    }
    let list = entry.entry(name).or_insert_with(|| value(Array::new()));
    let list = list.as_array_mut().ok_or_else(|| format!("{name} is not a list"))?;
    for text in texts {
        if !list.iter().any(|one| one.as_str() == Some(text)) {
            list.push(text);
        }
    }
    Ok(())
}

fn text_of(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
