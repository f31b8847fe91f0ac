//! The revisions of a deployment: the runs that made something and succeeded. A revision has the number that its run has in the
//! journal, which stays the same when older runs are deleted.

use super::Kin;
use crate::run::{Kinship, RunId, RunState};

/// A run that made something and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// The run.
    pub run: RunId,
    /// The thing that it made, or what was made again in its place when a later run was rolled back.
    pub thing: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing has taken its place.
    Current,
    /// The revision of this number has taken its place.
    Replaced(i64),
    /// Its run was rolled back.
    RolledBack,
    /// Its run is being rolled back.
    GoingBack,
    /// This run has taken away what it made.
    TakenAway(RunId),
}

/// The revisions among the runs of a deployment. Both begin with the newest.
pub fn revisions(runs: &[Kin]) -> Vec<Revision> {
    let mut found: Vec<Revision> = Vec::new();
    for kin in runs.iter().rev() {
        let fact = |name: &str| kin.fact(name).map(ToOwned::to_owned);
        if let (Some(before), Some(again)) = (fact(kin.kinship.found), fact(kin.kinship.restored))
            && let Some(revision) = found.iter_mut().rfind(|revision| revision.thing == before)
        {
            revision.thing = again;
        }
        match fact(kin.kinship.made) {
            Some(thing) if kin.has_succeeded => {
                found.push(Revision { number: kin.number, run: kin.run, thing, fate: fate(kin.state) });
            }
            Some(_) => {}
            None if kin.state == RunState::Succeeded => take_away(&mut found, kin),
            None => {}
        }
    }
    found.reverse();
    let mut newer = None;
    for revision in &mut found {
        if let (Fate::Current, Some(by)) = (revision.fate, newer) {
            revision.fate = Fate::Replaced(by);
        }
        if revision.fate != Fate::RolledBack {
            newer = Some(revision.number);
        }
    }
    found
}

/// The thing that serves when no run is open, as far as the runs of a deployment tell. They begin with the newest.
pub fn serving(runs: &[Kin]) -> Option<String> {
    let current = revisions(runs).into_iter().find(|revision| revision.fate == Fate::Current);
    if let Some(current) = current {
        return Some(current.thing);
    }
    let newest = runs.iter().find(|kin| kin.state.is_over())?;
    let is_back = newest.state == RunState::RolledBack;
    let Kinship { found, restored, .. } = newest.kinship;
    newest.fact(restored).or_else(|| newest.fact(found)).filter(|_| is_back).map(ToOwned::to_owned)
}

const fn fate(state: RunState) -> Fate {
    match state {
        RunState::Succeeded => Fate::Current,
        RunState::RolledBack => Fate::RolledBack,
        RunState::Running
        | RunState::Suspended
        | RunState::Failed
        | RunState::RollingBack
        | RunState::Stuck => Fate::GoingBack,
    }
}

fn take_away(found: &mut [Revision], by: &Kin) {
    let gone = by.things();
    for revision in found.iter_mut().filter(|revision| gone.contains(revision.thing.as_str())) {
        if revision.fate == Fate::Current {
            revision.fate = Fate::TakenAway(by.run);
        }
    }
}
