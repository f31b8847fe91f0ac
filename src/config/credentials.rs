//! Where the credentials are, and their content.
//!
//! The place is kept with the run, so that `resume` can read the credentials again. The credentials themselves are never
//! kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::aero::{self, Surroundings};
use super::deps;
use super::node::{Node, Tree};
use super::problem::{Findings, Position, Problem, Problems};
use super::read;
use super::schema::CREDENTIALS;
use super::shape::join;
use crate::env::Env;
use crate::file::folder_of;
use crate::oci::identity::is_ocid;
use crate::oci::sign_in::UserKey;

/// The place of the credentials. Never secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialsSource {
    /// The official CLI's configuration file.
    Profile,
    /// A file of our predecessor library, or one in its format.
    File(PathBuf),
    /// The key `config` of a deployment file.
    Deployment {
        /// The file.
        path: PathBuf,
        /// The aliases, if the file is a `deps.edn`.
        aliases: Vec<String>,
    },
}

/// Credentials in the format of our predecessor library.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user's key.
    pub key: UserKey,
    /// The compartment of the load balancers and instances.
    pub compartment_id: Option<String>,
}

impl CredentialsSource {
    /// Reads the credentials again. `None` for a profile, which the caller reads.
    ///
    /// # Errors
    /// When they are gone, or not what they must be.
    pub fn read(&self, profile: &str, env: &Env) -> Result<Option<Credentials>, Problems> {
        let surroundings = Surroundings::new(profile, env);
        let mut findings = Findings::default();
        let node = match self {
            Self::Profile => return Ok(None),
            Self::File(path) => aero::part(path, &surroundings)?,
            Self::Deployment { path, aliases } => {
                let deployment = deps::deployment(path, aliases, &surroundings)?;
                match deployment.get("config") {
                    Some(config) => config.clone(),
                    None => return Err(deployment.problem("config", "is missing").into()),
                }
            }
        };
        match credentials(&node, "", &surroundings, &mut findings) {
            Some(credentials) if findings.problems.is_empty() => Ok(Some(credentials)),
            Some(_) | None => Err(Problems(findings.problems)),
        }
    }
}

/// Reads credentials from a map with the old library's keys.
pub(super) fn credentials(
    node: &Node,
    path: &str,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Credentials> {
    let before = findings.problems.len();
    if !matches!(node.tree, Tree::Map(_)) {
        findings.problems.push(node.problem(path, format!("expected a map, found {}", node.kind())));
        return None;
    }
    findings.refuse_unknown_keys(node, path, &CREDENTIALS);
    let problems = &mut findings.problems;
    let mut text = |name: &str, is_required: bool| match node.get(name) {
        Some(value) => match &value.tree {
            Tree::Str(text) => Some(text.clone()),
            _ => {
                problems.push(
                    value.problem(&join(path, name), format!("expected a string, found {}", value.kind())),
                );
                None
            }
        },
        None if is_required => {
            problems.push(node.problem(&join(path, name), "is missing"));
            None
        }
        None => None,
    };
    let tenancy = text("tenancy-ocid", true);
    let user = text("user-ocid", true);
    let fingerprint = text("key-fingerprint", true);
    let region = text("region", true);
    let compartment_id = text("compartment-id", false);
    let own_phrase = text("pass-phrase", false).map(SecretString::from);
    for (name, value, kind) in [("tenancy-ocid", &tenancy, "tenancy"), ("user-ocid", &user, "user")] {
        // The SDK checks a profile in the same way.
        if value.as_ref().is_some_and(|value| !is_ocid(value)) {
            let message = format!("is malformed: expected an OCID such as ocid1.{kind}.oc1..aaaa");
            let at = node.get(name).unwrap_or(node);
            problems.push(at.problem(&join(path, name), message));
        }
    }
    let (private_key, pass_phrase) = match node.get("private-key").map(|key| (&key.tree, key)) {
        Some((Tree::PrivateKey(pem, phrase), _)) => (Some(pem.clone()), phrase.clone().or(own_phrase)),
        Some((Tree::Str(pem), _)) => (Some(SecretString::from(pem.clone())), own_phrase),
        Some((_, key)) => {
            let found = format!("expected a private key (#privkey #file \"key.pem\"), found {}", key.kind());
            problems.push(key.problem(&join(path, "private-key"), found));
            (None, None)
        }
        None => (key_from_file(node, path, surroundings, problems), own_phrase),
    };
    if problems.len() > before {
        return None;
    }
    let source = node.place.source.as_ref().map(|source| source.display().to_string());
    let key = UserKey {
        tenancy: tenancy?,
        user: user?,
        fingerprint: fingerprint?,
        private_key: private_key?,
        pass_phrase,
        region: region?,
        place: source.unwrap_or_else(|| "config".to_owned()),
    };
    Some(Credentials { key, compartment_id })
}

/// The key in the file that `private-key-file` names, for YAML and JSON, which have no tag that reads a key. A relative path
/// starts from the folder of the file that names it.
fn key_from_file(
    node: &Node,
    path: &str,
    surroundings: &Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Option<SecretString> {
    let Some(name) = node.get("private-key-file") else {
        problems.push(node.problem(&join(path, "private-key"), "is missing, and `private-key-file` too"));
        return None;
    };
    let place = join(path, "private-key-file");
    let Some(text) = name.text() else {
        problems.push(name.problem(&place, format!("expected a file's name, found {}", name.kind())));
        return None;
    };
    let folder = node.place.source.as_ref().map_or(Path::new("."), |source| folder_of(source));
    match read::text_of(&surroundings.path(folder, text)) {
        Ok(pem) => Some(pem.into()),
        Err(problem) => {
            problems.push(name.problem(&place, problem.to_string()));
            None
        }
    }
}

/// Reads a file that another file names, and evaluates its tags.
pub(super) fn named_file(
    base: Option<&Path>,
    node: &Node,
    surroundings: &Surroundings<'_>,
) -> Result<(PathBuf, Node), Problem> {
    let Tree::Str(name) = &node.tree else {
        return Err(node.problem("", format!("expected a file's name, found {}", node.kind())));
    };
    let path = surroundings.path(base.unwrap_or(Path::new("")), name);
    if !path.exists() {
        return Err(node.problem("", format!("there is no file {}", path.display())));
    }
    let read = aero::part(&path, surroundings)?;
    Ok((path, read))
}

/// Evaluates the tags of a text from a flag.
pub(super) fn from_flag(text: &str, flag: &str, surroundings: &Surroundings<'_>) -> Result<Node, Problem> {
    aero::tree(read::inline(text, flag)?, surroundings)
}

/// A file name from a flag.
pub(super) fn name_from_flag(path: &Path, flag: &str) -> Node {
    let place = Position { source: Some(Arc::new(PathBuf::from(flag))), position: None };
    Node::new(Tree::Str(path.display().to_string()), place)
}
