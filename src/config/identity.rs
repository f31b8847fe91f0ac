//! The identity of a deployment: its target, not its name, which two services may share.
//!
//! The digest must never change, because the tags of instances that older versions created contain it.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::schema::TAG_VALUE_LIMIT;

/// The parts of a deployment's target that the deployment itself does not contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// Aero's profile, from `--env`.
    pub env: String,
    /// The tenancy, if the signed-in identity reveals it.
    pub tenancy: Option<String>,
}

/// Where a deployment goes. Two runs with one target belong to one deployment, whatever their names are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeploymentTarget {
    tenancy: Option<String>,
    compartment: String,
    load_balancer: String,
    /// Sorted, without duplicates.
    backend_sets: Vec<String>,
    env: String,
}

impl DeploymentTarget {
    /// The target for instances in this compartment, behind these sets of the load balancer.
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

    /// The backend sets. None if the deployment has no backend.
    pub fn backend_sets(&self) -> &[String] {
        &self.backend_sets
    }

    /// Whether both targets are equal except for their sets.
    pub fn is_beside(&self, other: &Self) -> bool {
        let without = |target: &Self| Self { backend_sets: Vec::new(), ..target.clone() };
        without(self) == without(other)
    }

    /// Eight hexadecimal characters that distinguish the target from others.
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

/// The value of the tag `deployctl-deployment`: a name, and the digest of a target. Older versions wrote the name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentTag {
    name: String,
    digest: Option<String>,
}

impl DeploymentTag {
    /// The tag of the resources that the deployment `name` creates. A long name is cut, because the length of a tag is
    /// limited.
    pub fn of(name: &str, target: &DeploymentTarget) -> Self {
        Self { name: cut(name), digest: Some(target.digest()) }
    }

    /// Reads a tag's value, or what a user writes for it: `web` or `web@1f3a9c02`.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('@') {
            Some((name, digest)) if is_digest(digest) => {
                Self { name: cut(name), digest: Some(digest.to_owned()) }
            }
            Some(_) | None => Self { name: text.to_owned(), digest: None },
        }
    }

    /// The name, possibly cut.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the target, if the tag has one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether `wanted`, a tag as a user writes it, selects this one. A name without a digest selects every target of that
    /// name.
    pub fn is_meant_by(&self, wanted: &Self) -> bool {
        match &wanted.digest {
            Some(_) => self == wanted,
            None => self.name == wanted.name || self.name == cut(&wanted.name),
        }
    }

    /// Whether the instance with this tag belongs to the deployment whose tag is `own`.
    pub fn belongs_to(&self, own: &Self) -> Belongs {
        match (&self.digest, &own.digest) {
            (Some(theirs), Some(ours)) if theirs == ours => Belongs::Surely,
            (Some(_), Some(_)) => Belongs::Not,
            (None, _) | (_, None) if self.is_meant_by(own) || own.is_meant_by(self) => Belongs::ByName,
            (None, _) | (_, None) => Belongs::Not,
        }
    }
}

/// Whether an instance belongs to a deployment, according to its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// It belongs to the deployment: the targets are equal, whatever the names are.
    Surely,
    /// A run of an older version wrote only this name. The instance's place decides.
    ByName,
    /// It belongs to another deployment.
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

/// The longest prefix of a name that fits into a tag beside the digest.
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
        // Tags of instances contain it, so it must not change.
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
