//! The environment of the process, which is read in one place.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use crate::config::NotText;

/// The variable that tells a process that it is the one that goes on.
pub(super) const DETACHED: &str = "DEPLOYCTL_DETACHED";

/// The environment, read once. Keys and pass phrases may be in it.
#[derive(Clone, Default)]
pub struct Env {
    values: HashMap<String, String>,
    /// The variables whose values are not text.
    unreadable: BTreeSet<String>,
}

impl std::fmt::Debug for Env {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Env {
    /// An environment of these variables alone.
    #[cfg(test)]
    pub(super) fn of(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: values.into_iter().collect(), unreadable: BTreeSet::new() }
    }

    /// The environment of this process.
    pub fn of_the_process() -> Self {
        let mut env = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(env.values.insert(name, value)),
                Err(_) => drop(env.unreadable.insert(name)),
            }
        }
        env
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A variable that a deployment names. One that is not text is not taken for one that is not set.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, NotText> {
        if self.unreadable.contains(name) {
            return Err(NotText(name.to_owned()));
        }
        Ok(self.values.get(name).cloned())
    }

    /// Makes sure that what we are told by variables of our own can be read: one that is not text would count as not set.
    pub(super) fn check(&self) -> Result<(), NotText> {
        let is_ours = |name: &str| {
            ["OCI_", "DEPLOYCTL_"].iter().any(|prefix| name.starts_with(prefix))
                || ["HOME", "XDG_STATE_HOME", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].contains(&name)
        };
        // A path may be of any bytes, and is read as one.
        let is_path = |name: &str| name == "DEPLOYCTL_JOURNAL";
        let odd = self.unreadable.iter().find(|name| is_ours(name) && !is_path(name));
        odd.map_or(Ok(()), |name| Err(NotText(name.clone())))
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
    }

    /// Whether this process is the one that goes on with a run by itself.
    pub(super) fn is_detached(&self) -> bool {
        self.get(DETACHED) == Some("1")
    }
}
