//! Reads a deployment: the file, the parts it names, and the flags, which win.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::aero::{self, Surroundings};
use super::casing::{camel, kebab};
use super::credentials::{
    Credentials, CredentialsSource, credentials, from_flag, name_from_flag, named_file,
};
use super::deployment::{BackendTarget, Deployment, Policy};
use super::deps;
use super::filter::Filter;
use super::instance::specification;
use super::node::{Node, Tree};
use super::policy::policy;
use super::problem::{Problem, Problems, unknown_key};
use super::schema::BACKEND_SET;
use super::shape::{Shaper, join, not_a_port, port};
use crate::run::Confidential;

const KEYS: [&str; 17] = [
    "backend-timeout",
    "backends",
    "ci-config",
    "ci-config-file",
    "ci-filter",
    "config",
    "config-file",
    "drain-delay",
    "instance-timeout",
    "lb-filter",
    "name",
    "old-instance",
    "on-failure",
    "poll-interval",
    "register",
    "request-timeout",
    "retry",
];
/// The fields by which an instance can be told (OCI.md appendix A.1, the summary's).
const INSTANCE_FIELDS: [&str; 12] = [
    "availability-domain",
    "compartment-id",
    "container-count",
    "container-restart-policy",
    "defined-tags",
    "display-name",
    "fault-domain",
    "freeform-tags",
    "id",
    "lifecycle-state",
    "shape",
    "shape-config",
];
/// The fields by which a load balancer can be told.
const BALANCER_FIELDS: [&str; 8] = [
    "compartment-id",
    "defined-tags",
    "display-name",
    "freeform-tags",
    "id",
    "is-private",
    "lifecycle-state",
    "shape-name",
];

/// The states in which an instance or a load balancer can be (OCI.md 2.1, 2.3).
const STATES: [&str; 7] = ["ACTIVE", "CREATING", "DELETED", "DELETING", "FAILED", "INACTIVE", "UPDATING"];

/// Where a deployment is written.
pub struct Sources<'s> {
    /// The deployment file.
    pub deployment: Option<&'s Path>,
    /// Which aliases of a `deps.edn` are deployed.
    pub aliases: &'s [String],
    /// What stands on the command line, which wins.
    pub flags: Flags,
    /// Aero's profile.
    pub profile: &'s str,
    /// The environment.
    pub env: &'s dyn Fn(&str) -> Option<String>,
}

/// The parts of a deployment on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The deployment's name.
    pub name: Option<String>,
    /// A file with credentials.
    pub config_file: Option<PathBuf>,
    /// The instance.
    pub ci_config: Option<String>,
    /// A file with the instance.
    pub ci_config_file: Option<PathBuf>,
    /// Which instance is replaced.
    pub ci_filter: Option<String>,
    /// Which load balancer.
    pub lb_filter: Option<String>,
    /// The backends.
    pub backends: Option<String>,
}

/// A deployment, and how to sign in for it.
#[derive(Debug)]
pub struct Loaded {
    /// The deployment.
    pub deployment: Deployment,
    /// The credentials, unless they are a profile's.
    pub credentials: Option<Credentials>,
    /// Where they are.
    pub source: CredentialsSource,
}

/// Reads a deployment.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, Problems> {
    let mut reader = Reader::new(sources)?;
    let (source, credentials) = reader.credentials();
    let (instance, secrets) = reader.instance().unzip();
    let ci_filter = reader.filter("ci-filter", sources.flags.ci_filter.as_deref(), &INSTANCE_FIELDS);
    let lb_filter = reader.filter("lb-filter", sources.flags.lb_filter.as_deref(), &BALANCER_FIELDS);
    let backends = reader.backends();
    let policy = policy(&reader.root, &mut reader.problems);
    let own_name =
        instance.as_ref().and_then(|instance| instance["displayName"].as_str()).map(ToOwned::to_owned);
    let name = reader.name(own_name);
    let compartment_id =
        credentials.as_ref().and_then(|credentials| credentials.compartment_id.clone()).or_else(|| {
            instance.as_ref().and_then(|instance| instance["compartmentId"].as_str()).map(ToOwned::to_owned)
        });
    match (instance, name, compartment_id, ci_filter, lb_filter) {
        (Some(instance), Some(name), Some(compartment_id), Some(ci_filter), Some(lb_filter))
            if reader.problems.is_empty() =>
        {
            let instance = Confidential::new(instance);
            let secrets = Confidential::new(secrets.unwrap_or_default());
            let deployment = Deployment {
                name,
                instance,
                secrets,
                compartment_id,
                ci_filter,
                lb_filter,
                backends,
                policy,
            };
            Ok(Loaded { deployment, credentials, source })
        }
        _ => Err(Problems(reader.problems)),
    }
}

/// What a destruction needs of a deployment: how to sign in, where to look, and which load balancer.
#[derive(Debug)]
pub struct Target {
    /// The credentials, unless they are a profile's.
    pub credentials: Option<Credentials>,
    /// Where they are.
    pub source: CredentialsSource,
    /// Where load balancers are looked for, when it is written.
    pub compartment_id: Option<String>,
    /// Which load balancer.
    pub lb_filter: Filter,
    /// How it behaves.
    pub policy: Policy,
}

/// Reads as much of a deployment as a destruction needs.
pub fn load_target(sources: &Sources<'_>) -> Result<Target, Problems> {
    let mut reader = Reader::new(sources)?;
    let (source, credentials) = reader.credentials();
    let lb_filter = reader.filter("lb-filter", sources.flags.lb_filter.as_deref(), &BALANCER_FIELDS);
    let policy = policy(&reader.root, &mut reader.problems);
    let in_instance = reader.root.get("ci-config").and_then(|config| config.get("compartment-id"));
    let compartment_id = credentials
        .as_ref()
        .and_then(|credentials| credentials.compartment_id.clone())
        .or_else(|| in_instance.and_then(Node::text).map(ToOwned::to_owned));
    match lb_filter {
        Some(lb_filter) if reader.problems.is_empty() => {
            Ok(Target { credentials, source, compartment_id, lb_filter, policy })
        }
        Some(_) | None => Err(Problems(reader.problems)),
    }
}

struct Reader<'s> {
    sources: &'s Sources<'s>,
    surroundings: Surroundings<'s>,
    root: Node,
    folder: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl<'s> Reader<'s> {
    fn new(sources: &'s Sources<'s>) -> Result<Self, Problems> {
        let surroundings = Surroundings { profile: sources.profile, env: sources.env };
        let root = match sources.deployment {
            Some(path) => deps::deployment(path, sources.aliases, &surroundings)?,
            None => Node::new(Tree::Map(Vec::new()), aero::flag("command line")),
        };
        if !matches!(root.tree, Tree::Map(_)) {
            return Err(root.problem("", format!("expected a map, found {}", root.kind())).into());
        }
        let folder = sources.deployment.and_then(Path::parent).map(ToOwned::to_owned);
        let mut problems = Vec::new();
        for (key, _) in root.entries() {
            let name = key.text().unwrap_or_default();
            if !KEYS.contains(&kebab(name).as_str()) && !name.starts_with("x-") {
                problems.push(key.problem("", unknown_key(name, &KEYS)));
            }
        }
        Ok(Self { sources, surroundings, root, folder, problems })
    }

    fn keep<T>(&mut self, path: &str, result: Result<T, Problem>) -> Option<T> {
        result
            .map_err(|problem| {
                let path = if problem.path.is_empty() { path.to_owned() } else { problem.path.clone() };
                self.problems.push(Problem { path, ..problem });
            })
            .ok()
    }

    fn credentials(&mut self) -> (CredentialsSource, Option<Credentials>) {
        let from_flag = self
            .sources
            .flags
            .config_file
            .as_deref()
            .map(|path| (None, name_from_flag(path, "--config-file")));
        let in_file = self.root.get("config-file").cloned().map(|node| (self.folder.clone(), node));
        if let Some((base, node)) = from_flag.or(in_file) {
            let read = named_file(base.as_deref(), &node, &self.surroundings);
            let Some((path, node)) = self.keep("config-file", read) else {
                return (CredentialsSource::Profile, None);
            };
            let path = std::path::absolute(&path).unwrap_or(path);
            return (CredentialsSource::File(path), credentials(&node, "", &mut self.problems));
        }
        match (self.root.get("config").cloned(), self.sources.deployment) {
            (Some(node), Some(path)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                let aliases = self.sources.aliases.to_vec();
                (
                    CredentialsSource::Deployment { path, aliases },
                    credentials(&node, "config", &mut self.problems),
                )
            }
            (Some(_) | None, _) => (CredentialsSource::Profile, None),
        }
    }

    /// The specification, and what of it is secret because it came from the environment.
    fn instance(&mut self) -> Option<(Value, Vec<String>)> {
        let flags = &self.sources.flags;
        let (path, node) = if let Some(text) = &flags.ci_config {
            ("ci-config", from_flag(text, "--ci-config", &self.surroundings))
        } else if let Some(file) = &flags.ci_config_file {
            let name = name_from_flag(file, "--ci-config-file");
            ("ci-config-file", named_file(None, &name, &self.surroundings).map(|(_, node)| node))
        } else if let Some(node) = self.root.get("ci-config") {
            ("ci-config", Ok(node.clone()))
        } else if let Some(name) = self.root.get("ci-config-file").cloned() {
            let read = named_file(self.folder.as_deref(), &name, &self.surroundings);
            ("ci-config-file", read.map(|(_, node)| node))
        } else {
            self.problems.push(self.root.problem("ci-config", "is missing"));
            return None;
        };
        let node = self.keep(path, node)?;
        let mut secrets = Vec::new();
        node.secrets(&mut secrets);
        Some((specification(&node, "ci-config", &mut self.problems), secrets))
    }

    fn name(&mut self, of_the_instance: Option<String>) -> Option<String> {
        if let Some(name) = &self.sources.flags.name {
            return Some(name.clone());
        }
        match self.root.get("name").map(|name| (name.text().map(ToOwned::to_owned), name.kind())) {
            Some((Some(name), _)) if !name.is_empty() => Some(name),
            Some((_, kind)) => {
                self.problems.push(self.root.problem("name", format!("expected a string, found {kind}")));
                None
            }
            None if of_the_instance.is_some() => of_the_instance,
            None => {
                let message = "is missing, and `ci-config.display-name` too: a deployment needs a name";
                self.problems.push(self.root.problem("name", message));
                None
            }
        }
    }

    fn filter(&mut self, name: &str, flag: Option<&str>, known: &[&str]) -> Option<Filter> {
        let node = match flag {
            Some(text) => {
                let read = from_flag(text, &format!("--{name}"), &self.surroundings);
                self.keep(name, read)?
            }
            None => match self.root.get(name) {
                Some(node) => node.clone(),
                None => {
                    self.problems.push(self.root.problem(name, "is missing"));
                    return None;
                }
            },
        };
        if !matches!(node.tree, Tree::Map(_)) {
            self.problems.push(node.problem(name, format!("expected a map, found {}", node.kind())));
            return None;
        }
        let mut filter = Filter::default();
        for (key, value) in node.entries() {
            let written = key.text().unwrap_or_default();
            let path = join(name, written);
            if !known.contains(&kebab(written).as_str()) {
                self.problems.push(key.problem(&path, unknown_key(written, known)));
                continue;
            }
            if value.is_nil() {
                self.problems
                    .push(value.problem(&path, "is nothing: leave the key out, or say what it must be"));
            }
            let field = camel(written);
            let mut free = Shaper { problems: &mut self.problems }.free(value, &path);
            if field == "freeformTags" {
                filter.folds_tag_names =
                    value.entries().iter().any(|(tag, _)| matches!(tag.tree, Tree::Key(_)));
            } else if field == "shapeConfig" {
                free = camel_keys(&free);
            }
            if field == "lifecycleState" && !free.as_str().is_some_and(|state| STATES.contains(&state)) {
                let expected = STATES.join(", ");
                self.problems.push(value.problem(&path, format!("expected one of {expected}, found {free}")));
            }
            filter.fields.insert(field, free);
        }
        // An empty filter would mean whatever is there, which may be a stranger's.
        if node.entries().is_empty() {
            self.problems
                .push(node.problem(name, format!("is empty: name at least one of {}", known.join(", "))));
        }
        Some(filter)
    }

    fn backends(&mut self) -> Vec<BackendTarget> {
        let node = match &self.sources.flags.backends {
            Some(text) => {
                let read = from_flag(text, "--backends", &self.surroundings);
                self.keep("backends", read)
            }
            None => self.root.get("backends").cloned(),
        };
        let Some(node) = node else { return Vec::new() };
        let Tree::List(items) = &node.tree else {
            self.problems.push(node.problem("backends", format!("expected a list, found {}", node.kind())));
            return Vec::new();
        };
        let mut targets: Vec<BackendTarget> = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let path = format!("backends[{n}]");
            if let Some(target) = self.backend(item, &path) {
                let is_double = targets
                    .iter()
                    .any(|other| other.port == target.port && other.backend_set == target.backend_set);
                if is_double {
                    self.problems.push(item.problem(&path, "is there twice"));
                }
                targets.push(target);
            }
        }
        targets
    }

    fn backend(&mut self, node: &Node, path: &str) -> Option<BackendTarget> {
        const KEYS: [&str; 3] = ["backend-set", "create", "port"];
        if !matches!(node.tree, Tree::Map(_)) {
            self.problems.push(node.problem(path, format!("expected a map, found {}", node.kind())));
            return None;
        }
        for (key, _) in node.entries() {
            let name = key.text().unwrap_or_default();
            if !KEYS.contains(&kebab(name).as_str()) {
                self.problems.push(key.problem(&join(path, name), unknown_key(name, &KEYS)));
            }
        }
        let mut missing = |name: &str| self.problems.push(node.problem(&join(path, name), "is missing"));
        let written_port = node.get("port");
        let set = node.get("backend-set");
        if written_port.is_none() {
            missing("port");
        }
        if set.is_none() {
            missing("backend-set");
        }
        let (written_port, set) = (written_port?, set?);
        let Some(number) = port(written_port) else {
            self.problems.push(written_port.problem(&join(path, "port"), not_a_port(written_port)));
            return None;
        };
        let Some(backend_set) = set.text().filter(|set| !set.is_empty()) else {
            let found = format!("expected a string, found {}", set.kind());
            self.problems.push(set.problem(&join(path, "backend-set"), found));
            return None;
        };
        let create = node.get("create").map(|create| {
            Shaper { problems: &mut self.problems }.model(create, &join(path, "create"), &BACKEND_SET)
        });
        Some(BackendTarget { port: number, backend_set: backend_set.to_owned(), create })
    }
}

fn camel_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, value)| (camel(name), value.clone())).collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.clone(),
    }
}
