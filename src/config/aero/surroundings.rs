//! The surroundings of a deployment while it is read: the profile, the environment, and the oddities found on the way.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::TAGS;
use crate::config::interpolation;
use crate::config::node::Node;
use crate::config::problem::Problem;
use crate::env::Env;
use crate::oci::identity::at_home;

/// What the tags may read.
pub(in crate::config) struct Surroundings<'s> {
    /// Aero's profile: `default` unless `--env` sets it.
    pub(in crate::config) profile: &'s str,
    /// The environment.
    pub(in crate::config) env: &'s Env,
    /// Texts that look like tags or variables and were taken as plain texts.
    literals: RefCell<Vec<Node>>,
}

impl<'s> Surroundings<'s> {
    pub(in crate::config) fn new(profile: &'s str, env: &'s Env) -> Self {
        Self { profile, env, literals: RefCell::default() }
    }

    /// Resolves a path from a folder, unless it is absolute or starts at the home folder.
    pub(in crate::config) fn path(&self, folder: &Path, text: &str) -> PathBuf {
        folder.join(at_home(text, self.env.home().as_deref()))
    }

    pub(super) fn note_literal(&self, node: &Node) {
        let mut literals = self.literals.borrow_mut();
        if !literals.iter().any(|other| other.place == node.place) {
            literals.push(node.clone());
        }
    }

    /// One warning about all texts that look like tags or variables.
    pub(in crate::config) fn warning(&self) -> Option<Problem> {
        interpolation::warning(&self.literals.borrow(), &TAGS)
    }
}
