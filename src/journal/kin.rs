//! Which runs belong to one deployment, and which run supersedes another: decided by what they really changed, never by
//! name.
//!
//! A run's targets, and the instances that it found and created, show what it changed. A claim is no change, and names
//! say nothing: two services may share one.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;

use super::error::JournalError;
use super::handle::Inner;
use super::row::Column;
use crate::run::{RunId, RunState, Target};

/// What the journal knows of a run in relation to others.
#[derive(Clone, Debug)]
pub struct Kin {
    /// The run.
    pub run: RunId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: RunState,
    /// Whether it began a step that changes something.
    pub has_changes: bool,
    number: i64,
    /// Whether it ever succeeded, even if it was rolled back since.
    has_succeeded: bool,
    targets: BTreeSet<String>,
    facts: BTreeMap<String, String>,
}

impl Kin {
    /// The text that describes the deployment's own target, if the run learned it.
    pub fn service(&self) -> Option<String> {
        let mut targets = self.targets.iter().map(|target| Target::from(target.clone()));
        targets.find_map(|target| target.as_service().map(ToOwned::to_owned))
    }

    /// The names of the targets of kind `backend-set` that it holds or held.
    pub fn backend_sets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter_map(|target| target.strip_prefix("backend-set:"))
    }

    /// What identifies its deployment, however its instances change: the deployment's own target, or else all targets
    /// that last.
    pub(super) fn lasting(&self) -> impl Iterator<Item = &str> {
        let of = |is_meant: fn(&str) -> bool| -> Vec<&str> {
            self.targets.iter().map(String::as_str).filter(|target| is_meant(target)).collect()
        };
        let kinds = [
            of(|target| target.starts_with("service:")),
            of(|target| !target.starts_with("instance:")),
            of(|_| true),
        ];
        kinds.into_iter().find(|targets| !targets.is_empty()).unwrap_or_default().into_iter()
    }

    /// Everything that it held, found or created.
    pub(super) fn marks(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str).chain(self.instances())
    }

    /// Whether both runs belong to one deployment.
    pub fn is_kin_of(&self, other: &Self) -> bool {
        let claims = |kin: &Self| -> BTreeSet<String> {
            let targets = kin.targets.iter().map(|target| Target::from(target.clone()));
            targets.filter(Target::is_whole_claim).map(|target| target.as_str().to_owned()).collect()
        };
        !claims(self).is_disjoint(&claims(other)) || self.changes_with(other)
    }

    /// Whether going back past `later` would leave two versions serving.
    fn is_superseded_by(&self, later: &Self) -> bool {
        later.number > self.number
            && later.has_changes
            && (later.has_succeeded && self.changes_with(later) || later.has_replaced_what(self))
    }

    /// Whether both runs really changed one thing.
    fn changes_with(&self, other: &Self) -> bool {
        let shares = |kind: &str| {
            let of = |kin: &Self| -> BTreeSet<String> {
                kin.targets.iter().filter(|target| target.starts_with(kind)).cloned().collect()
            };
            !of(self).is_disjoint(&of(other))
        };
        let has_both_services = self.service().is_some() && other.service().is_some();
        // Two deployments may share a backend set. It decides only if one of the runs does not know its deployment.
        shares("service:")
            || !self.instances().is_disjoint(&other.instances())
            || (!has_both_services && shares("backend-set:"))
    }

    /// Every instance that it found, created or recreated.
    fn instances(&self) -> BTreeSet<&str> {
        let targets = self.targets.iter().filter_map(|target| target.strip_prefix("instance:"));
        targets.chain(self.facts.values().map(String::as_str)).collect()
    }

    /// Whether it recreated the instance that `earlier` created, under another id, without ever succeeding.
    fn has_replaced_what(&self, earlier: &Self) -> bool {
        let fact = |name: &str| self.facts.get(name);
        let made = |id: &String| [NEW, RESTORED].iter().any(|name| earlier.facts.get(*name) == Some(id));
        match (fact(OLD), fact(RESTORED)) {
            (Some(old), Some(restored)) => old != restored && made(old),
            _ => false,
        }
    }
}

const OLD: &str = "old-instance-id";
const NEW: &str = "new-instance-id";
const RESTORED: &str = "restored-instance-id";

/// Every run, newest first.
pub(super) async fn all(inner: &Inner, connection: &mut SqliteConnection) -> Result<Vec<Kin>, JournalError> {
    let failed = |error| inner.failed(error);
    let rows = sqlx::query!(
        r#"SELECT id, number, name, state, has_succeeded,
               EXISTS (SELECT 1 FROM steps WHERE run_id = runs.id AND effect = 'mutation') AS "has_changes!: i64"
           FROM runs ORDER BY number DESC"#
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let mut targets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in sqlx::query!("SELECT run_id, target FROM targets")
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?
    {
        targets.entry(row.run_id).or_default().insert(row.target);
    }
    let mut facts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let known = sqlx::query!(
        "SELECT run_id, name, value FROM facts
         WHERE name IN ('old-instance-id', 'new-instance-id', 'restored-instance-id')"
    );
    for row in known.fetch_all(&mut *connection).await.map_err(failed)? {
        facts.entry(row.run_id).or_default().insert(row.name, row.value);
    }
    rows.into_iter()
        .map(|row| {
            Ok(Kin {
                run: Column("runs", "id").parse(&row.id)?,
                name: row.name,
                state: Column("runs", "state").parse(&row.state)?,
                has_changes: row.has_changes != 0,
                number: row.number,
                has_succeeded: row.has_succeeded != 0,
                targets: targets.remove(&row.id).unwrap_or_default(),
                facts: facts.remove(&row.id).unwrap_or_default(),
            })
        })
        .collect()
}

/// The newest later run that supersedes `run`: it has replaced the instance from which `run` would go back.
pub(super) async fn superseding(
    inner: &Inner,
    connection: &mut SqliteConnection,
    run: RunId,
) -> Result<Option<Kin>, JournalError> {
    Ok(superseding_among(&all(inner, connection).await?, run).cloned())
}

/// The same, among runs that are loaded already.
pub(super) fn superseding_among(all: &[Kin], run: RunId) -> Option<&Kin> {
    let mine = all.iter().find(|kin| kin.run == run)?;
    all.iter().find(|later| mine.is_superseded_by(later))
}

/// Groups runs by deployment. The deployments, and the runs of each, are sorted newest first.
pub(super) fn by_deployment(runs: Vec<Kin>) -> Vec<Vec<Kin>> {
    let mut groups: Vec<Vec<Kin>> = Vec::new();
    for kin in runs {
        // One run may join two groups.
        let (joined, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| other.is_kin_of(&kin)));
        let mut group: Vec<Kin> = joined.into_iter().flatten().chain([kin]).collect();
        group.sort_by_key(|kin| std::cmp::Reverse(kin.number));
        groups = apart.into_iter().chain([group]).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.first().map_or(0, |kin| kin.number)));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Made(Kin);

    impl Made {
        fn new(number: i64, targets: &[&str]) -> Self {
            Self(Kin {
                run: RunId::random(),
                name: "web".to_owned(),
                state: RunState::Succeeded,
                has_changes: true,
                number,
                has_succeeded: true,
                targets: targets.iter().map(|target| (*target).to_owned()).collect(),
                facts: BTreeMap::new(),
            })
        }

        fn replaces(mut self, old: &str, new: &str) -> Self {
            self.0.facts.extend([(OLD.to_owned(), old.to_owned()), (NEW.to_owned(), new.to_owned())]);
            self
        }

        fn goes_back_to(mut self, restored: &str) -> Self {
            self.0.state = RunState::RolledBack;
            self.0.has_succeeded = false;
            self.0.facts.insert(RESTORED.to_owned(), restored.to_owned());
            self
        }
    }

    #[test]
    fn a_name_or_a_claim_of_before_joins_nothing() {
        let prod = Made::new(1, &["deployment:web", "backend-set:lb/http"]).0;
        let staging = Made::new(2, &["deployment:web", "backend-set:lb/admin"]).0;
        assert!(!prod.is_kin_of(&staging));
        assert!(!prod.is_superseded_by(&staging));
    }

    #[test]
    fn two_environments_in_one_set_stay_apart() {
        let prod = Made::new(1, &["service:prod", "backend-set:lb/http"]).replaces("a", "b").0;
        let staging = Made::new(2, &["service:staging", "backend-set:lb/http"]).replaces("c", "d").0;
        assert!(!prod.is_kin_of(&staging) && !prod.is_superseded_by(&staging));
        let next = Made::new(3, &["service:prod", "backend-set:lb/http"]).replaces("b", "e").0;
        assert!(prod.is_kin_of(&next) && prod.is_superseded_by(&next) && !next.is_superseded_by(&prod));
    }

    #[test]
    fn a_run_of_before_goes_by_its_sets() {
        let before = Made::new(1, &["deployment:web", "backend-set:lb/http"]).0;
        let now = Made::new(2, &["deployment:web#1f3a9c021f3a9c02", "service:web", "backend-set:lb/http"]).0;
        assert!(before.is_kin_of(&now) && before.is_superseded_by(&now));
    }

    #[test]
    fn who_destroys_what_a_run_made_supersedes_it() {
        let made = Made::new(1, &["service:web", "backend-set:lb/http"]).replaces("a", "b").0;
        let destroyed = Made::new(2, &["instance:b"]).0;
        assert!(made.is_superseded_by(&destroyed));
        let stranger = Made::new(3, &["instance:z"]).0;
        assert!(!made.is_superseded_by(&stranger) && !made.is_kin_of(&stranger));
    }

    #[test]
    fn a_failed_run_supersedes_only_when_it_made_the_instance_again() {
        let first = Made::new(1, &["service:web"]).replaces("a", "b").0;
        let again = Made::new(2, &["service:web"]).replaces("b", "c").goes_back_to("d").0;
        assert!(first.is_superseded_by(&again));
        let started = Made::new(2, &["service:web"]).replaces("b", "c").goes_back_to("b").0;
        assert!(!first.is_superseded_by(&started));
    }

    #[test]
    fn a_run_may_join_two_groups() {
        let one = Made::new(1, &["service:x"]).replaces("a", "b").0;
        let other = Made::new(2, &["service:y"]).replaces("c", "d").0;
        let apart = by_deployment(vec![one.clone(), other.clone()]);
        assert_eq!(apart.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        let both = Made::new(3, &["service:x"]).replaces("d", "e").0;
        let joined = by_deployment(vec![one, other, both]);
        let numbers: Vec<i64> = joined.iter().flatten().map(|kin| kin.number).collect();
        assert_eq!(numbers, [3, 2, 1]);
        assert_eq!(joined.len(), 1);
    }
}
