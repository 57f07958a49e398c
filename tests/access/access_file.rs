//! An access file in a folder of its own, and the keys in it.

use std::collections::HashMap;
use std::path::PathBuf;

use frameway::access::AccessFile;
use frameway::config::Config;
use tempfile::TempDir;

use crate::common::log;
use crate::server::TestServer;

pub(crate) struct Keys {
    folder: TempDir,
    keys: HashMap<String, String>,
}

impl Keys {
    /// Creates a file with one key for each principal, which has these grants.
    pub(crate) fn new(principals: &[(&str, &[&str])]) -> Self {
        let folder = TempDir::with_prefix("frameway-access-").expect("a folder");
        let mut keys = Self { folder, keys: HashMap::new() };
        keys.edit(|file| {
            let create = |&(name, grants): &(&str, &[&str])| {
                let grants: Vec<String> = grants.iter().map(|grant| (*grant).to_owned()).collect();
                let key = file.create_key(name, &[], &grants, None).expect("a key");
                (name.to_owned(), key.reveal())
            };
            principals.iter().map(create).collect()
        });
        keys
    }

    /// Edits the file; the keys that `edit` returns replace those of their principals.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut AccessFile) -> Vec<(String, String)>) {
        let mut file = AccessFile::open(&self.path()).expect("the file opens");
        for (principal, key) in edit(&mut file) {
            log::declare_secret(&key);
            self.keys.insert(principal, key);
        }
        file.save(&self.path()).expect("the file is saved");
    }

    /// Appends text to the file.
    pub(crate) fn append(&self, text: &str) {
        let before = std::fs::read_to_string(self.path()).expect("the file is read");
        std::fs::write(self.path(), before + text).expect("the file is written");
    }

    /// Replaces the grants of a principal.
    pub(crate) fn set_grants(&self, principal: &str, grants: &[&str]) {
        let text = std::fs::read_to_string(self.path()).expect("the file is read");
        let mut document: toml_edit::DocumentMut = text.parse().expect("TOML");
        document["principals"][principal]["grants"] =
            toml_edit::value(toml_edit::Array::from_iter(grants.iter().copied()));
        std::fs::write(self.path(), document.to_string()).expect("the file is written");
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("access.toml")
    }

    /// Returns the key of a principal.
    pub(crate) fn of(&self, principal: &str) -> &str {
        &self.keys[principal]
    }

    /// Starts a server that uses the file.
    pub(crate) async fn server(&self) -> TestServer {
        self.server_with(|_| {}).await
    }

    /// Does the same as [`Keys::server`], with further changes of the configuration.
    pub(crate) async fn server_with(&self, change: impl FnOnce(&mut Config)) -> TestServer {
        let start = |config: &mut Config| {
            config.access.access_file = Some(self.path());
            change(config);
        };
        TestServer::start(start).await
    }
}
