//! Reads a deployment: the file, the parts it names, and the flags, which win over both.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::aero::{self, Surroundings};
use super::backends::backends;
use super::credentials::{
    Credentials, CredentialsSource, credentials, from_flag, name_from_flag, named_file,
};
use super::deployment::{BackendTarget, Deployment};
use super::deps;
use super::filter::{Filter, filter, matching};
use super::identity::Origin;
use super::instance::specification;
use super::matching::Matching;
use super::node::{Node, Tree};
use super::policy::{Policy, policy};
use super::predecessor::{Predecessor, predecessor};
use super::problem::{Findings, Problem, Problems};
use super::schema::{BALANCER_FILTER, DEPLOYMENT, INSTANCE_FILTER, Model};
use super::secrecy::{Secrecy, secret_texts};
use crate::env::Env;
use crate::run::{Confidential, Cut, Secrets};

/// Where a deployment is written.
pub struct Sources<'s> {
    /// The deployment file.
    pub deployment: Option<&'s Path>,
    /// The aliases of a `deps.edn` to deploy.
    pub aliases: &'s [String],
    /// The values on the command line, which win.
    pub flags: Overrides,
    /// Aero's profile.
    pub profile: &'s str,
    /// The environment.
    pub env: &'s Env,
    /// Whether API fields that this version does not know are passed on, with a warning.
    pub allows_unknown_fields: bool,
}

/// The parts of a deployment that the command line sets.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The deployment's name.
    pub name: Option<String>,
    /// A file with credentials.
    pub config_file: Option<PathBuf>,
    /// The instance.
    pub ci_config: Option<String>,
    /// A file with the instance.
    pub ci_config_file: Option<PathBuf>,
    /// Selects the instance to replace.
    pub ci_filter: Option<String>,
    /// Selects the load balancer.
    pub lb_filter: Option<String>,
    /// The backends.
    pub backends: Option<String>,
    /// How the old instance is identified.
    pub predecessor: Option<Predecessor>,
}

impl Overrides {
    fn say_nothing(&self) -> bool {
        let texts = [&self.ci_config, &self.ci_filter, &self.lb_filter, &self.backends];
        self.ci_config_file.is_none() && texts.iter().all(|text| text.is_none())
    }
}

/// What was read of a deployment, and how to sign in for it.
#[derive(Clone, Debug)]
pub struct Loaded<D> {
    /// The deployment, or the parts of it that were asked for.
    pub deployment: D,
    /// How it is carried out.
    pub policy: Policy,
    /// The credentials, unless a profile holds them.
    pub credentials: Option<Credentials>,
    /// Where the credentials are.
    pub source: CredentialsSource,
    /// Unusual things about the deployment.
    pub warnings: Vec<Problem>,
}

/// The parts of a deployment that a destruction needs: where to look, and the load balancer.
#[derive(Debug)]
pub struct Scope {
    /// The compartment of the instances, and of the load balancers unless `lb_compartment` is set; if the file says it.
    pub compartment_id: Option<String>,
    /// The compartment of the load balancers, if it is another one.
    pub lb_compartment: Option<String>,
    /// Selects the load balancer.
    pub lb_filter: Filter,
}

/// Reads a deployment.
///
/// # Errors
/// Every problem, at once.
pub fn load(sources: &Sources<'_>) -> Result<Loaded<Deployment>, Problems> {
    read(sources, Reader::deployment)
}

/// Reads the parts of a deployment that a destruction needs.
///
/// # Errors
/// Every problem of these parts, at once.
pub fn load_scope(sources: &Sources<'_>) -> Result<Loaded<Scope>, Problems> {
    read(sources, Reader::scope)
}

/// Reads what `parts` takes from the sources, which also gets the compartment that the credentials name.
fn read<'s, D>(
    sources: &'s Sources<'s>,
    parts: impl FnOnce(&mut Reader<'s>, Option<String>) -> Option<D>,
) -> Result<Loaded<D>, Problems> {
    let mut reader = Reader::new(sources)?;
    let (source, credentials) = reader.credentials();
    let compartment_id = credentials.as_ref().and_then(|credentials| credentials.compartment_id.clone());
    let deployment = parts(&mut reader, compartment_id);
    let policy = policy(&reader.root, &mut reader.findings);
    let warning = reader.surroundings.warning();
    let Findings { problems, mut warnings, .. } = reader.findings;
    warnings.extend(warning);
    match deployment {
        Some(deployment) if problems.is_empty() => {
            Ok(Loaded { deployment, policy, credentials, source, warnings })
        }
        Some(_) | None => Err(Problems(problems)),
    }
}

struct Reader<'s> {
    sources: &'s Sources<'s>,
    surroundings: Surroundings<'s>,
    root: Node,
    folder: Option<PathBuf>,
    findings: Findings,
    /// How the maps of filters are compared.
    matched: Matching,
}

impl<'s> Reader<'s> {
    fn new(sources: &'s Sources<'s>) -> Result<Self, Problems> {
        let surroundings = Surroundings::new(sources.profile, sources.env);
        let root = match sources.deployment {
            Some(path) => deps::deployment(path, sources.aliases, &surroundings)?,
            None if sources.flags.say_nothing() => {
                let message =
                    "no deployment is named: name a file, or give its parts by flags such as --ci-config";
                let place = aero::flag("command line");
                return Err(Problem { place, path: String::new(), message: message.to_owned() }.into());
            }
            None => Node::new(Tree::Map(Vec::new()), aero::flag("command line")),
        };
        if !matches!(root.tree, Tree::Map(_)) {
            return Err(root.problem("", format!("expected a map, found {}", root.kind())).into());
        }
        let folder = sources.deployment.and_then(Path::parent).map(ToOwned::to_owned);
        let mut findings =
            Findings { allows_unknown_fields: sources.allows_unknown_fields, ..Findings::default() };
        findings.refuse_unknown_keys(&root, "", &DEPLOYMENT);
        if let Some(late) = root.get("interpolate") {
            let message = "says too late that variables are replaced: put it at the top of the file, outside of all tags";
            findings.problems.push(late.problem("interpolate", message));
        }
        let matched = root.get("match").and_then(|node| matching(node, "match", &mut findings));
        let matched = matched.unwrap_or(Matching::Exact);
        Ok(Self { sources, surroundings, root, folder, findings, matched })
    }

    /// The whole deployment.
    fn deployment(&mut self, compartment_id: Option<String>) -> Option<Deployment> {
        let Sources { flags, .. } = self.sources;
        let (instance, secrets) = self.instance().unzip();
        let ci_filter = self.filter("ci-filter", flags.ci_filter.as_deref(), &INSTANCE_FILTER);
        let lb_filter = self.filter("lb-filter", flags.lb_filter.as_deref(), &BALANCER_FILTER);
        let backends = self.backends();
        let predecessor = predecessor(&self.root, flags.predecessor.as_ref(), &mut self.findings);
        let lb_compartment = self.lb_compartment();
        let name = self.name(instance.as_ref());
        let instance = instance?;
        let in_instance = || instance["compartmentId"].as_str().map(ToOwned::to_owned);
        Some(Deployment {
            name: name?,
            compartment_id: compartment_id.or_else(in_instance)?,
            instance: Confidential::new(instance),
            secrets: Confidential::new(secrets.unwrap_or_default()),
            secrecy: Secrecy::ByPlace,
            lb_compartment,
            ci_filter: ci_filter?,
            predecessor,
            lb_filter: lb_filter?,
            backends,
            origin: Some(Origin { env: self.sources.profile.to_owned(), tenancy: None }),
        })
    }

    /// What a destruction needs. It works with an instance's specification that is not right.
    fn scope(&mut self, compartment_id: Option<String>) -> Option<Scope> {
        let lb_filter = self.filter("lb-filter", self.sources.flags.lb_filter.as_deref(), &BALANCER_FILTER);
        let lb_compartment = self.lb_compartment();
        let in_instance = self.root.get("ci-config").and_then(|config| config.get("compartment-id"));
        let compartment_id =
            compartment_id.or_else(|| in_instance.and_then(Node::text).map(ToOwned::to_owned));
        Some(Scope { compartment_id, lb_compartment, lb_filter: lb_filter? })
    }

    fn keep<T>(&mut self, path: &str, result: Result<T, Problem>) -> Option<T> {
        result
            .map_err(|problem| {
                let path = if problem.path.is_empty() { path.to_owned() } else { problem.path.clone() };
                self.findings.problems.push(Problem { path, ..problem });
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
            return (
                CredentialsSource::File(path),
                credentials(&node, "", &self.surroundings, &mut self.findings),
            );
        }
        match (self.root.get("config").cloned(), self.sources.deployment) {
            (Some(node), Some(path)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                let aliases = self.sources.aliases.to_vec();
                (
                    CredentialsSource::Deployment { path, aliases },
                    credentials(&node, "config", &self.surroundings, &mut self.findings),
                )
            }
            (Some(_) | None, _) => (CredentialsSource::Profile, None),
        }
    }

    /// The specification, and the texts in it that came from the environment.
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
            self.findings.problems.push(self.root.problem("ci-config", "is missing"));
            return None;
        };
        let node = self.keep(path, node)?;
        let mut secrets = Vec::new();
        node.secrets(&mut secrets);
        let instance = specification(&node, "ci-config", &mut self.findings);
        if let Some(text) = &flags.ci_config {
            self.warn_of_the_command_line(text, &instance);
        }
        Some((instance, secrets))
    }

    /// `ps` shows the command line to everybody on the machine, and the shell's history keeps it.
    fn warn_of_the_command_line(&mut self, text: &str, instance: &Value) {
        let secrets: Secrets = secret_texts(instance, &[]).iter().collect();
        if secrets.masked(text, Cut::End) != text {
            let message = "holds what is secret (environment variables, files or credentials), and every process of this \
                           machine can read a command line: name a file with --ci-config-file, or write #env NAME in \
                           its place";
            let place = aero::flag("--ci-config");
            self.findings.warnings.push(Problem { place, path: String::new(), message: message.to_owned() });
        }
    }

    /// The deployment's name: the given one, or the instance's display name.
    fn name(&mut self, instance: Option<&Value>) -> Option<String> {
        if let Some(name) = &self.sources.flags.name {
            return Some(name.clone());
        }
        if let Some(name) = self.root.get("name") {
            let text = name.text().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
            if text.is_none() {
                let message = format!("expected a string, found {}", name.kind());
                self.findings.problems.push(name.problem("name", message));
            }
            return text;
        }
        // An invalid display name has already been reported.
        match instance?.get("displayName").map(Value::as_str) {
            Some(name) => name.map(ToOwned::to_owned),
            None => {
                let message = "is missing, and `ci-config.display-name` too: a deployment needs a name";
                self.findings.problems.push(self.root.problem("name", message));
                None
            }
        }
    }

    fn filter(&mut self, name: &str, flag: Option<&str>, model: &Model) -> Option<Filter> {
        let node = match flag {
            Some(text) => {
                let read = from_flag(text, &format!("--{name}"), &self.surroundings);
                self.keep(name, read)?
            }
            None => match self.root.get(name) {
                Some(node) => node.clone(),
                None => {
                    self.findings.problems.push(self.root.problem(name, "is missing"));
                    return None;
                }
            },
        };
        let matched = self.matched;
        filter(&node, name, model, matched, &mut self.findings)
    }

    fn lb_compartment(&mut self) -> Option<String> {
        let node = self.root.get("lb-compartment")?;
        let text = if let Tree::Str(text) = &node.tree { Some(text.clone()) } else { None };
        let text = text.filter(|text| !text.is_empty());
        if text.is_none() {
            let message = format!("expected the OCID of a compartment, found {}", node.kind());
            self.findings.problems.push(node.problem("lb-compartment", message));
        }
        text
    }

    fn backends(&mut self) -> Vec<BackendTarget> {
        let node = match &self.sources.flags.backends {
            Some(text) => {
                let read = from_flag(text, "--backends", &self.surroundings);
                self.keep("backends", read)
            }
            None => self.root.get("backends").cloned(),
        };
        node.map(|node| backends(&node, &mut self.findings)).unwrap_or_default()
    }
}
