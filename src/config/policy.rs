//! How a rollout behaves: the user's settings, and defaults for the rest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::node::{Node, Tree};
use super::problem::Findings;
use super::schema::{Model, RETRY, STRATEGY};
use super::shape::join;
use crate::retry::RetryPolicy;
use crate::run::OnFailure;

/// How a run behaves. Every field has a value. The run keeps it apart from the deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// The time between draining the old backends and removing them.
    pub drain_delay: Duration,
    /// The longest time until the new backends are healthy.
    pub backend_timeout: Duration,
    /// The longest time until an instance is active.
    pub instance_timeout: Duration,
    /// The longest time between two reads of a state that is awaited.
    pub poll_interval: Duration,
    /// What follows if a step fails permanently.
    pub on_failure: OnFailure,
    /// What happens to the old instance.
    pub old_instance: Disposal,
    /// How new backends are registered.
    pub register: Register,
    /// The longest time until a request is answered.
    pub request_timeout: Duration,
    /// The delays between failed attempts.
    pub retry: RetryPolicy,
    /// How long a new backend must stay healthy before it is admitted. Absent in runs of versions before `min-ready`: for
    /// them one good check is enough, and the new version is not checked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ready: Option<MinReady>,
    /// The longest time to wait for somebody else's work on the load balancer.
    #[serde(default = "work_timeout")]
    pub work_timeout: Duration,
    /// The other load balancers that may send requests to the old instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lb_compartments: Vec<String>,
    /// Whether each set is shifted in one change, as soon as its own backends are ready. Absent in runs of versions that did
    /// not: they wait for all sets, admit all new backends, and then drain all old ones.
    #[serde(default)]
    pub shifts_sets: bool,
    /// Whether the run gives way to other runs of its deployment, in whatever journal they are. Absent in runs of versions
    /// that did not look for them.
    #[serde(default)]
    pub gives_way: bool,
    /// How long the old version is kept, drained, after the new one has taken over.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub bake: Duration,
    /// How far the run goes by itself.
    #[serde(default, skip_serializing_if = "Until::is_end")]
    pub until: Until,
}

/// How far a run goes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// To its end.
    #[default]
    End,
    /// Until the new version is registered, healthy and drained. A person says when it is to take requests.
    Registered,
}

impl Until {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    const fn is_end(&self) -> bool {
        matches!(self, Self::End)
    }
}

const fn work_timeout() -> Duration {
    Duration::from_mins(10)
}

impl Policy {
    /// Whether this is the policy of a run from before `min-ready`. Such a run continues as it began: it records no
    /// predecessors, leaves out sets that no listener seems to use, and does not check the new version again.
    pub const fn is_of_before(&self) -> bool {
        self.min_ready.is_none()
    }

    /// The same settings for a new run, which goes the ways of this version, and to its end.
    #[must_use]
    pub fn renewed(self) -> Self {
        let Self { min_ready, shifts_sets, gives_way, .. } = Self::default();
        Self { min_ready: self.min_ready.or(min_ready), shifts_sets, gives_way, until: Until::End, ..self }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            drain_delay: Duration::from_secs(10),
            backend_timeout: Duration::from_mins(2),
            instance_timeout: Duration::from_mins(10),
            poll_interval: Duration::from_secs(2),
            on_failure: OnFailure::Rollback,
            old_instance: Disposal::Delete,
            register: Register::Drained,
            request_timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            min_ready: Some(MinReady::Interval),
            work_timeout: work_timeout(),
            lb_compartments: Vec::new(),
            shifts_sets: true,
            gives_way: true,
            bake: Duration::ZERO,
            until: Until::End,
        }
    }
}

/// How long a new backend must stay healthy before it is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MinReady {
    /// One interval of its set's health checker, at most ten seconds.
    Interval,
    /// This long.
    For(Duration),
}

/// What happens to the old instance once it has no traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposal {
    /// It is deleted. A rollback creates it again from its record.
    Delete,
    /// It is stopped. A rollback starts it. It still counts against the limits.
    Stop,
    /// It keeps running without traffic.
    Keep,
}

/// How new backends are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Register {
    /// Drained, and admitted once healthy: no request reaches an unchecked backend (docs/design/redeploy.md).
    Drained,
    /// Active at once, for a load balancer that does not check drained backends.
    Active,
}

/// Reads the policy at the top level of a deployment.
pub(super) fn policy(root: &Node, findings: &mut Findings) -> Policy {
    Reader { root, findings }.policy()
}

struct Reader<'r> {
    root: &'r Node,
    findings: &'r mut Findings,
}

impl Reader<'_> {
    fn policy(&mut self) -> Policy {
        let mut policy = Policy::default();
        self.duration("drain-delay", &mut policy.drain_delay);
        self.duration("backend-timeout", &mut policy.backend_timeout);
        self.duration("instance-timeout", &mut policy.instance_timeout);
        self.duration("work-timeout", &mut policy.work_timeout);
        self.duration("poll-interval", &mut policy.poll_interval);
        self.duration("request-timeout", &mut policy.request_timeout);
        for (name, value) in
            [("poll-interval", policy.poll_interval), ("request-timeout", policy.request_timeout)]
        {
            if value < SHORTEST {
                let at = self.root.get(name).unwrap_or(self.root);
                self.findings.problems.push(at.problem(name, TOO_SHORT));
            }
        }
        self.word(
            "on-failure",
            &mut policy.on_failure,
            &[("rollback", OnFailure::Rollback), ("halt", OnFailure::Halt)],
        );
        let olds = [("delete", Disposal::Delete), ("stop", Disposal::Stop), ("keep", Disposal::Keep)];
        self.word("old-instance", &mut policy.old_instance, &olds);
        self.word(
            "register",
            &mut policy.register,
            &[("drained", Register::Drained), ("active", Register::Active)],
        );
        if self.root.get("min-ready").is_some() {
            let mut duration = Duration::ZERO;
            self.duration("min-ready", &mut duration);
            policy.min_ready = Some(MinReady::For(duration));
        }
        self.compartments(&mut policy);
        self.strategy(&mut policy);
        self.retry(&mut policy);
        policy
    }

    fn strategy(&mut self, policy: &mut Policy) {
        let Some(node) = self.map("strategy", &STRATEGY) else { return };
        let Some(value) = node.get("bake") else { return };
        match duration_of(value) {
            Some(duration) => policy.bake = duration,
            None => self.findings.problems.push(value.problem(&join("strategy", "bake"), NO_DURATION)),
        }
    }

    /// A map at the top level, which has only the keys of its model.
    fn map(&mut self, name: &str, model: &'static Model) -> Option<Node> {
        let node = self.root.get(name)?.clone();
        if !matches!(node.tree, Tree::Map(_)) {
            self.findings.problems.push(node.problem(name, format!("expected a map, found {}", node.kind())));
            return None;
        }
        self.findings.refuse_unknown_keys(&node, name, model);
        Some(node)
    }

    fn compartments(&mut self, policy: &mut Policy) {
        let Some(node) = self.root.get("lb-compartments") else { return };
        let Tree::List(entries) = &node.tree else {
            let message = format!("expected a list of OCIDs, found {}", node.kind());
            self.findings.problems.push(node.problem("lb-compartments", message));
            return;
        };
        for (n, entry) in entries.iter().enumerate() {
            match entry.text().filter(|text| !text.is_empty()) {
                Some(id) => policy.lb_compartments.push(id.to_owned()),
                None => {
                    let message = format!("expected an OCID, found {}", entry.kind());
                    self.findings.problems.push(entry.problem(&format!("lb-compartments[{n}]"), message));
                }
            }
        }
    }

    fn retry(&mut self, policy: &mut Policy) {
        let Some(node) = self.map("retry", &RETRY) else { return };
        let retry = &mut policy.retry;
        for (name, duration, is_interval) in [
            ("max-elapsed", &mut retry.max_elapsed, false),
            ("initial-interval", &mut retry.initial_interval, true),
            ("max-interval", &mut retry.max_interval, true),
        ] {
            let Some(value) = node.get(name) else { continue };
            match duration_of(value) {
                Some(found) if is_interval && found < SHORTEST => {
                    self.findings.problems.push(value.problem(&join("retry", name), TOO_SHORT));
                }
                Some(found) => *duration = found,
                None => self.findings.problems.push(value.problem(&join("retry", name), NO_DURATION)),
            }
        }
        match node.get("multiplier").map(|value| (&value.tree, value)) {
            None => {}
            Some((Tree::Float(number), _)) if (1.0..=FACTOR_LIMIT).contains(number) => {
                retry.multiplier = *number;
            }
            Some((Tree::Int(number @ 1..=1000), _)) => {
                retry.multiplier = f64::from(u16::try_from(*number).unwrap_or(u16::MAX));
            }
            Some((_, value)) => {
                let message = format!("expected a number from 1 to {FACTOR_LIMIT}");
                self.findings.problems.push(value.problem("retry.multiplier", message));
            }
        }
    }

    fn duration(&mut self, name: &str, into: &mut Duration) {
        if let Some(node) = self.root.get(name) {
            match duration_of(node) {
                Some(duration) => *into = duration,
                None => self.findings.problems.push(node.problem(name, NO_DURATION)),
            }
        }
    }

    fn word<T: Copy>(&mut self, name: &str, into: &mut T, words: &[(&str, T)]) {
        if let Some(node) = self.root.get(name) {
            match words.iter().find(|(word, _)| node.text() == Some(word)) {
                Some((_, value)) => *into = *value,
                None => {
                    let expected: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                    let message = format!("expected {}, found {}", expected.join(" or "), node.quoted());
                    self.findings.problems.push(node.problem(name, message));
                }
            }
        }
    }
}

/// The largest factor by which delays may grow in one step.
const FACTOR_LIMIT: f64 = 1000.0;
const NO_DURATION: &str = "expected a duration such as \"90s\" or \"2m\", or a number of seconds";
/// The shortest delay between two requests, so that waiting does not become a flood of requests.
const SHORTEST: Duration = Duration::from_millis(1);
const TOO_SHORT: &str =
    "must be at least a millisecond: the requests would follow each other without a pause";
/// The longest duration that may be set.
const DURATION_LIMIT: Duration = Duration::from_hours(24 * 7);

fn duration_of(node: &Node) -> Option<Duration> {
    let duration = match &node.tree {
        Tree::Int(seconds) => Duration::from_secs(u64::try_from(*seconds).ok()?),
        Tree::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok()?,
        Tree::Str(text) => humantime::parse_duration(text).ok()?,
        _ => return None,
    };
    (duration <= DURATION_LIMIT).then_some(duration)
}
