//! The environment of the process, which is read once.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// The environment as it was read. It may contain keys and pass phrases.
#[derive(Clone, Default)]
pub struct Env {
    values: HashMap<String, String>,
    /// The variables whose values are not text.
    unreadable: BTreeSet<String>,
}

/// A variable is set, but its value is not text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {0} is not text in UTF-8")]
pub struct NotText(pub String);

impl std::fmt::Debug for Env {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Env {
    /// An environment with only these variables.
    pub fn of(values: impl IntoIterator<Item = (String, String)>) -> Self {
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

    /// The value of a variable; `None` if it is not set or not text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of a variable that a user named. The user must learn if it is not text.
    ///
    /// # Errors
    /// When the variable is set, but its value is not text.
    pub fn text(&self, name: &str) -> Result<Option<String>, NotText> {
        if self.unreadable.contains(name) {
            return Err(NotText(name.to_owned()));
        }
        Ok(self.values.get(name).cloned())
    }

    /// The variables whose values are not text.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.unreadable.iter().map(String::as_str)
    }

    /// The user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
    }
}

#[cfg(test)]
impl Env {
    /// Adds a variable whose value is not text.
    pub(crate) fn and_unreadable(mut self, name: &str) -> Self {
        self.unreadable.insert(name.to_owned());
        self
    }
}
