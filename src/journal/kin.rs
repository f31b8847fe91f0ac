//! Which runs belong to one deployment, and which run supersedes another: decided by what they really changed, never by
//! name.
//!
//! A run's targets, and the things that it found and made, show what it changed. A claim is no change, and names say
//! nothing: two services may share one. Which targets and facts count is the program's to say: [`Kinship`].

mod revisions;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;

use super::error::JournalError;
use super::handle::Inner;
use super::row::Column;
use crate::run::{Kinship, RunId, RunState, Target};

pub use revisions::{Fate, Revision, revisions, serving};

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
    kinship: Kinship,
}

impl Kin {
    /// The names of the targets of a kind that it holds or held.
    pub fn targets_of(&self, kind: &str) -> impl Iterator<Item = &str> {
        let named = |target: &'_ String| target.split_once(':').is_some_and(|(found, _)| found == kind);
        let of_kind: Vec<&str> =
            self.targets.iter().filter(|target| named(target)).map(String::as_str).collect();
        of_kind.into_iter().filter_map(|target| target.split_once(':').map(|(_, name)| name))
    }

    /// A fact that relates it to other runs.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// What identifies its deployment, however its things change: its own targets, or else all targets that last.
    pub(super) fn lasting(&self) -> impl Iterator<Item = &str> {
        let all = || self.targets.iter().map(String::as_str);
        let lasting = || all().filter(|target| !self.is_of(target, self.kinship.thing.as_slice()));
        let kinds: [Vec<&str>; 3] = [self.own().collect(), lasting().collect(), all().collect()];
        kinds.into_iter().find(|targets| !targets.is_empty()).unwrap_or_default().into_iter()
    }

    /// Everything that it held, found or made.
    pub(super) fn marks(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str).chain(self.things())
    }

    fn is_of(&self, target: &str, kinds: &[&str]) -> bool {
        target.split_once(':').is_some_and(|(kind, _)| kinds.contains(&kind))
    }

    /// The targets that no other deployment has. A claim is none, because it says what is meant, and not what was changed.
    fn own(&self) -> impl Iterator<Item = &str> {
        let Kinship { shared, thing, .. } = self.kinship;
        self.targets.iter().map(String::as_str).filter(move |target| {
            let is_claim = Target::from((*target).to_owned()).is_claim();
            !is_claim && !self.is_of(target, shared) && !self.is_of(target, thing.as_slice())
        })
    }

    /// The targets that another deployment may hold as well.
    fn shared(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str).filter(|target| self.is_of(target, self.kinship.shared))
    }

    /// What it really changed, or may have changed. Two runs that changed one of these are kin.
    fn changed(&self) -> impl Iterator<Item = &str> {
        self.own().chain(self.things())
    }

    /// Whether what it shares decides. It decides only if a run does not know its deployment.
    fn goes_by_what_is_shared(&self) -> bool {
        self.own().next().is_none()
    }

    /// Every thing that it found, made or made again.
    fn things(&self) -> BTreeSet<&str> {
        let held = self.targets.iter().filter_map(|target| {
            target.split_once(':').filter(|(kind, _)| self.kinship.thing == Some(kind)).map(|(_, name)| name)
        });
        held.chain(self.facts.values().map(String::as_str)).collect()
    }

    /// Whether going back past `later` would leave two versions serving.
    fn is_superseded_by(&self, later: &Self) -> bool {
        later.number > self.number
            && later.has_changes
            && (later.has_succeeded && self.changes_with(later) || later.has_replaced_what(self))
    }

    /// Whether both runs really changed one thing.
    fn changes_with(&self, other: &Self) -> bool {
        let changed: BTreeSet<&str> = self.changed().collect();
        let shared: BTreeSet<&str> = self.shared().collect();
        let decides = self.goes_by_what_is_shared() || other.goes_by_what_is_shared();
        other.changed().any(|mark| changed.contains(mark))
            || decides && other.shared().any(|target| shared.contains(target))
    }

    /// Whether it made the thing again that `earlier` made, under another id, without ever succeeding.
    fn has_replaced_what(&self, earlier: &Self) -> bool {
        let fact = |name: &str| self.facts.get(name);
        let Kinship { found, made, restored, .. } = self.kinship;
        let is_of_earlier =
            |id: &String| [made, restored].iter().any(|name| earlier.facts.get(*name) == Some(id));
        match (fact(found), fact(restored)) {
            (Some(old), Some(again)) => old != again && is_of_earlier(old),
            _ => false,
        }
    }
}

/// Every run, newest first.
pub(super) async fn all(
    inner: &Inner,
    kinship: Kinship,
    connection: &mut SqliteConnection,
) -> Result<Vec<Kin>, JournalError> {
    numbered_from(inner, kinship, connection, 0).await
}

/// A run and those after it, newest first.
pub(super) async fn since(
    inner: &Inner,
    kinship: Kinship,
    connection: &mut SqliteConnection,
    run: RunId,
) -> Result<Vec<Kin>, JournalError> {
    let id = run.to_string();
    let number = sqlx::query_scalar!("SELECT number FROM runs WHERE id = ?1", id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| inner.failed(error))?;
    match number {
        Some(number) => numbered_from(inner, kinship, connection, number).await,
        None => Ok(Vec::new()),
    }
}

async fn numbered_from(
    inner: &Inner,
    kinship: Kinship,
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
         WHERE number >= ?1 AND facts.name IN (?2, ?3, ?4)",
        number,
        kinship.found,
        kinship.made,
        kinship.restored
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
                kinship,
            })
        })
        .collect()
}

/// The newest later run that supersedes `run`: it has replaced the thing from which `run` would go back.
pub(super) async fn superseding(
    inner: &Inner,
    kinship: Kinship,
    connection: &mut SqliteConnection,
    run: RunId,
) -> Result<Option<Kin>, JournalError> {
    Ok(superseding_among(&since(inner, kinship, connection, run).await?, run).cloned())
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
    let mut sharing: BTreeMap<&str, (Vec<usize>, bool)> = BTreeMap::new();
    for (index, kin) in runs.iter().enumerate() {
        first_in[index] = index;
        // Runs of one deployment that have changed nothing yet hold one claim.
        let claims = kin.targets.iter().filter(|text| Target::from((*text).clone()).is_whole_claim());
        for mark in claims.map(String::as_str).chain(kin.changed()) {
            let other = *met.entry(mark).or_insert(index);
            join(&mut first_in, index, other);
        }
        for target in kin.shared() {
            let (members, decides) = sharing.entry(target).or_default();
            members.push(index);
            *decides |= kin.goes_by_what_is_shared();
        }
    }
    for (members, _) in sharing.values().filter(|(_, decides)| *decides) {
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

    const KINSHIP: Kinship = Kinship {
        shared: &["backend-set"],
        thing: Some("instance"),
        found: "old",
        made: "new",
        restored: "restored",
    };

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
                kinship: KINSHIP,
            })
        }

        fn replaces(mut self, old: &str, new: &str) -> Self {
            self.0.facts.extend([
                (KINSHIP.found.to_owned(), old.to_owned()),
                (KINSHIP.made.to_owned(), new.to_owned()),
            ]);
            self
        }

        fn goes_back_to(mut self, restored: &str) -> Self {
            self.0.state = RunState::RolledBack;
            self.0.has_succeeded = false;
            self.0.facts.insert(KINSHIP.restored.to_owned(), restored.to_owned());
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

    #[test]
    fn without_a_kinship_runs_go_by_every_target() {
        let plain = |number, target| {
            let mut made = Made::new(number, &[target]).0;
            made.kinship = Kinship::default();
            made
        };
        let (one, again, other) = (plain(1, "folder:a"), plain(2, "folder:a"), plain(3, "folder:b"));
        assert!(are_kin(&one, &again) && one.is_superseded_by(&again));
        assert!(!are_kin(&one, &other) && !one.is_superseded_by(&other));
    }
}
