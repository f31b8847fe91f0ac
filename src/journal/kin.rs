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
    numbered_from(inner, connection, 0).await
}

/// A run and those after it, newest first.
pub(super) async fn since(
    inner: &Inner,
    connection: &mut SqliteConnection,
    run: RunId,
) -> Result<Vec<Kin>, JournalError> {
    let id = run.to_string();
    let number = sqlx::query_scalar!("SELECT number FROM runs WHERE id = ?1", id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| inner.failed(error))?;
    match number {
        Some(number) => numbered_from(inner, connection, number).await,
        None => Ok(Vec::new()),
    }
}

async fn numbered_from(
    inner: &Inner,
    connection: &mut SqliteConnection,
    number: i64,
) -> Result<Vec<Kin>, JournalError> {
    let failed = |error| inner.failed(error);
    let rows = sqlx::query!(
        r#"SELECT id, number, name, state, has_succeeded,
               EXISTS (SELECT 1 FROM steps WHERE run_id = runs.id AND effect = 'mutation') AS "has_changes!: i64"
           FROM runs WHERE number >= ?1 ORDER BY number DESC"#,
        number
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let mut targets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in
        sqlx::query!("SELECT run_id, target FROM runs JOIN targets ON run_id = id WHERE number >= ?1", number)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?
    {
        targets.entry(row.run_id).or_default().insert(row.target);
    }
    let mut facts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let known = sqlx::query!(
        "SELECT run_id, facts.name, value FROM runs JOIN facts ON run_id = id
         WHERE number >= ?1 AND facts.name IN ('old-instance-id', 'new-instance-id', 'restored-instance-id')",
        number
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
    Ok(superseding_among(&since(inner, connection, run).await?, run).cloned())
}

/// The same, among runs that are loaded already.
pub(super) fn superseding_among(all: &[Kin], run: RunId) -> Option<&Kin> {
    let mine = all.iter().find(|kin| kin.run == run)?;
    all.iter().find(|later| mine.is_superseded_by(later))
}

/// Groups runs by deployment. The deployments, and the runs of each, are sorted newest first. A run may join two
/// groups.
pub(super) fn by_deployment(mut runs: Vec<Kin>) -> Vec<Vec<Kin>> {
    runs.sort_by_key(|kin| std::cmp::Reverse(kin.number));
    let mut first_in = vec![0; runs.len()];
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    let mut in_sets: BTreeMap<&str, (Vec<usize>, bool)> = BTreeMap::new();
    for (index, kin) in runs.iter().enumerate() {
        first_in[index] = index;
        let own = kin.targets.iter().filter(|text| {
            let target = Target::from((*text).clone());
            target.is_whole_claim() || target.as_service().is_some()
        });
        for mark in own.map(String::as_str).chain(kin.instances()) {
            let other = *met.entry(mark).or_insert(index);
            join(&mut first_in, index, other);
        }
        for set in kin.backend_sets() {
            let (members, has_old) = in_sets.entry(set).or_default();
            members.push(index);
            *has_old |= kin.service().is_none();
        }
    }
    // Two deployments may share a backend set. It decides only for runs that do not know their deployment.
    for (members, _) in in_sets.values().filter(|(_, has_old)| *has_old) {
        for index in members {
            join(&mut first_in, *index, members[0]);
        }
    }
    let mut groups: BTreeMap<usize, Vec<Kin>> = BTreeMap::new();
    for (index, kin) in runs.into_iter().enumerate() {
        groups.entry(first(&mut first_in, index)).or_default().push(kin);
    }
    groups.into_values().collect()
}

/// The newest run of the group in which a run is.
fn first(first_in: &mut [usize], mut index: usize) -> usize {
    while first_in[index] != index {
        first_in[index] = first_in[first_in[index]];
        index = first_in[index];
    }
    index
}

/// Joins the groups of two runs.
fn join(first_in: &mut [usize], one: usize, other: usize) {
    let (one, other) = (first(first_in, one), first(first_in, other));
    first_in[one.max(other)] = one.min(other);
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

    fn are_kin(one: &Kin, other: &Kin) -> bool {
        by_deployment(vec![one.clone(), other.clone()]).len() == 1
    }

    #[test]
    fn a_name_or_a_claim_of_before_joins_nothing() {
        let prod = Made::new(1, &["deployment:web", "backend-set:lb/http"]).0;
        let staging = Made::new(2, &["deployment:web", "backend-set:lb/admin"]).0;
        assert!(!are_kin(&prod, &staging));
        assert!(!prod.is_superseded_by(&staging));
    }

    #[test]
    fn two_environments_in_one_set_stay_apart() {
        let prod = Made::new(1, &["service:prod", "backend-set:lb/http"]).replaces("a", "b").0;
        let staging = Made::new(2, &["service:staging", "backend-set:lb/http"]).replaces("c", "d").0;
        assert!(!are_kin(&prod, &staging) && !prod.is_superseded_by(&staging));
        let next = Made::new(3, &["service:prod", "backend-set:lb/http"]).replaces("b", "e").0;
        assert!(are_kin(&prod, &next) && prod.is_superseded_by(&next) && !next.is_superseded_by(&prod));
    }

    #[test]
    fn a_run_of_before_goes_by_its_sets() {
        let before = Made::new(1, &["deployment:web", "backend-set:lb/http"]).0;
        let now = Made::new(2, &["deployment:web#1f3a9c021f3a9c02", "service:web", "backend-set:lb/http"]).0;
        assert!(are_kin(&before, &now) && before.is_superseded_by(&now));
    }

    #[test]
    fn who_destroys_what_a_run_made_supersedes_it() {
        let made = Made::new(1, &["service:web", "backend-set:lb/http"]).replaces("a", "b").0;
        let destroyed = Made::new(2, &["instance:b"]).0;
        assert!(made.is_superseded_by(&destroyed));
        let stranger = Made::new(3, &["instance:z"]).0;
        assert!(!made.is_superseded_by(&stranger) && !are_kin(&made, &stranger));
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
