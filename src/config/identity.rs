//! What a deployment is: its target, and not its name, which two services may share.
//!
//! The digest must stay as it is: it stands in the tags of instances that older versions of this program made.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::schema::TAG_VALUE_LIMIT;

/// What of a deployment's target its own parts do not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// Aero's profile, as `--env` said.
    pub env: String,
    /// Whose cloud it is, as far as who signs in can tell.
    pub tenancy: Option<String>,
}

/// Where a deployment goes: two runs with one target are of one deployment, whatever they are called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeploymentTarget {
    tenancy: Option<String>,
    compartment: String,
    load_balancer: String,
    /// Sorted, each once.
    backend_sets: Vec<String>,
    env: String,
}

impl DeploymentTarget {
    /// The target in the compartment where the instances are, behind these sets of the load balancer.
    pub fn new<'s>(
        origin: &Origin,
        compartment: &str,
        load_balancer: &str,
        backend_sets: impl IntoIterator<Item = &'s str>,
    ) -> Self {
        let mut backend_sets: Vec<String> = backend_sets.into_iter().map(ToOwned::to_owned).collect();
        backend_sets.sort();
        backend_sets.dedup();
        Self {
            tenancy: origin.tenancy.clone(),
            compartment: compartment.to_owned(),
            load_balancer: load_balancer.to_owned(),
            backend_sets,
            env: origin.env.clone(),
        }
    }

    /// Its sets; none when the deployment has no backend.
    pub fn backend_sets(&self) -> &[String] {
        &self.backend_sets
    }

    /// Whether both are one but for their sets.
    pub fn is_beside(&self, other: &Self) -> bool {
        let without = |target: &Self| Self { backend_sets: Vec::new(), ..target.clone() };
        without(self) == without(other)
    }

    /// Eight hexadecimal characters that tell it from others.
    pub fn digest(&self) -> String {
        short_digest(&serde_json::json!([
            self.tenancy,
            self.compartment,
            self.load_balancer,
            self.backend_sets,
            self.env
        ]))
    }
}

const DIGEST_LENGTH: usize = 8;

/// The beginning of the digest of `value`, in hexadecimal.
fn short_digest(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for byte in &Sha256::digest(value.to_string())[..DIGEST_LENGTH / 2] {
        write!(text, "{byte:02x}").expect("a string takes what is written");
    }
    text
}

/// What the tag `deployctl-deployment` says: a name, and the digest of a target. Versions before had the name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentTag {
    name: String,
    digest: Option<String>,
}

impl DeploymentTag {
    /// The tag of what the deployment `name` makes. A long name is cut, as a tag must not be longer.
    pub fn of(name: &str, target: &DeploymentTarget) -> Self {
        Self { name: cut(name), digest: Some(target.digest()) }
    }

    /// Reads the value of a tag, or what a user writes for one: `web` or `web@1f3a9c02`.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('@') {
            Some((name, digest)) if is_digest(digest) => {
                Self { name: cut(name), digest: Some(digest.to_owned()) }
            }
            Some(_) | None => Self { name: text.to_owned(), digest: None },
        }
    }

    /// The name, which may be cut.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the target, when the tag has one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether the tag `wanted`, as a user writes it, means this one: the name alone means every target of that name.
    pub fn is_meant_by(&self, wanted: &Self) -> bool {
        match &wanted.digest {
            Some(_) => self == wanted,
            None => self.name == wanted.name || self.name == cut(&wanted.name),
        }
    }

    /// Whose the instance with this tag is, seen from the deployment whose tag is `own`.
    pub fn belongs_to(&self, own: &Self) -> Belongs {
        match (&self.digest, &own.digest) {
            (Some(theirs), Some(ours)) if theirs == ours => Belongs::Surely,
            (Some(_), Some(_)) => Belongs::Not,
            (None, _) | (_, None) if self.is_meant_by(own) || own.is_meant_by(self) => Belongs::ByName,
            (None, _) | (_, None) => Belongs::Not,
        }
    }
}

/// Whose an instance is, by its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// The deployment's: the targets are one, whatever the names are.
    Surely,
    /// One of the version before, or of a run of before, has this name: its place decides.
    ByName,
    /// Another deployment's.
    Not,
}

impl fmt::Display for DeploymentTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_LENGTH && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// As much of a name as a tag has room for beside the digest.
fn cut(name: &str) -> String {
    name.chars().take(TAG_VALUE_LIMIT - DIGEST_LENGTH - 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(env: &str, tenancy: &str) -> Origin {
        Origin { env: env.to_owned(), tenancy: Some(tenancy.to_owned()) }
    }

    #[test]
    fn the_digest_is_of_the_target_and_of_all_of_it() {
        let target = |env, tenancy, compartment, balancer, sets: &[&str]| {
            DeploymentTarget::new(&origin(env, tenancy), compartment, balancer, sets.iter().copied())
        };
        let web = target("prod", "t", "c", "lb", &["http", "https"]);
        // Instances carry it: it must not change.
        assert_eq!(web.digest(), "bcd220cc");
        assert_eq!(web, target("prod", "t", "c", "lb", &["https", "http", "https"]));
        for other in [
            target("staging", "t", "c", "lb", &["http", "https"]),
            target("prod", "u", "c", "lb", &["http", "https"]),
            target("prod", "t", "d", "lb", &["http", "https"]),
            target("prod", "t", "c", "lb2", &["http", "https"]),
            target("prod", "t", "c", "lb", &["http"]),
        ] {
            assert_ne!(web.digest(), other.digest(), "{other:?}");
        }
    }

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        let target = DeploymentTarget::new(&origin("prod", "t"), "c", "lb", ["http"]);
        for name in ["web", "a@b", "web@12345678", "", "näme"] {
            let tag = DeploymentTag::of(name, &target);
            assert_eq!(tag.to_string(), format!("{name}@{}", target.digest()));
            assert_eq!(DeploymentTag::parse(&tag.to_string()), tag);
        }
        assert_eq!(DeploymentTag::parse("web").digest(), None);
        assert_eq!(DeploymentTag::parse("web@1F3A9C02").name(), "web@1F3A9C02");
    }

    #[test]
    fn a_long_name_leaves_room_for_the_digest() {
        let target = DeploymentTarget::new(&origin("prod", "t"), "c", "lb", ["http"]);
        let name = "ü".repeat(300);
        let tag = DeploymentTag::of(&name, &target);
        assert_eq!(tag.to_string().chars().count(), TAG_VALUE_LIMIT);
        assert!(tag.is_meant_by(&DeploymentTag::parse(&name)));
    }

    #[test]
    fn a_name_means_every_target_of_it_and_a_whole_tag_itself() {
        let web = DeploymentTag::parse("web@1f3a9c02");
        let before = DeploymentTag::parse("web");
        let meant = |wanted: &str| {
            let wanted = DeploymentTag::parse(wanted);
            (web.is_meant_by(&wanted), before.is_meant_by(&wanted))
        };
        assert_eq!(meant("web"), (true, true));
        assert_eq!(meant("web@1f3a9c02"), (true, false));
        assert_eq!(meant("web@00000000"), (false, false));
        assert_eq!(meant("we"), (false, false));
    }

    #[test]
    fn an_instance_belongs_by_its_target_or_else_by_its_name() {
        let own = DeploymentTag::parse("web@1f3a9c02");
        let belongs = |text: &str| DeploymentTag::parse(text).belongs_to(&own);
        assert_eq!(belongs("renamed@1f3a9c02"), Belongs::Surely);
        assert_eq!(belongs("web@00000000"), Belongs::Not);
        assert_eq!(belongs("web"), Belongs::ByName);
        assert_eq!(belongs("other"), Belongs::Not);
    }
}
