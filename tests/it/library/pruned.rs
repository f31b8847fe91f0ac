//! Old runs are deleted, except those that a rollback needs.

use chrono::{DateTime, TimeDelta, Utc};
use deployctl::clock::Clock;
use deployctl::engine::{End, Engine};
use deployctl::journal::Journal;
use deployctl::run::{RunId, RunState};

use super::{Fill, Shelf, impatient, journal, registry, started};

fn in_an_hour() -> DateTime<Utc> {
    Clock::system().now() + TimeDelta::hours(1)
}

async fn ids(journal: &Journal) -> Vec<RunId> {
    journal.runs(100).await.expect("it can be read").iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn what_no_rollback_needs_goes_and_the_rest_is_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry).retry_policy(impatient());
    let start = async |target: &str, thing: &str| {
        engine.start::<Fill>(started(target), &vec![thing.to_owned()]).await.expect("the target is free").run
    };
    let replaced = [start("a", "cup").await, start("a", "plate").await];
    let newest = start("a", "jug").await;
    let undone = start("b", "spoon").await;
    engine.rollback(undone).await.expect("nobody holds it");
    let open = start("c", "away").await;
    let only = start("d", "fork").await;
    let last = start("b", "knife").await;

    // First no run is old enough. Then all runs are, but each is among the seven newest, which are kept.
    let long_ago = in_an_hour() - TimeDelta::days(1);
    assert_eq!(journal.delete_before(long_ago, 1).await.expect("nothing to do"), []);
    assert_eq!(journal.delete_before(in_an_hour(), 7).await.expect("nothing to do"), []);
    let gone = [replaced[0], replaced[1], undone];
    assert_eq!(journal.obsolete(in_an_hour(), 1).await.expect("it can be read"), gone);
    assert_eq!(ids(&journal).await.len(), 7, "whoever asks deletes nothing");

    assert_eq!(journal.delete_before(in_an_hour(), 1).await.expect("deleted"), gone);
    assert_eq!(ids(&journal).await, [last, only, open, newest]);
    // The journal knows that it deleted them itself.
    assert!(journal.doubt_of_newest(u32::MAX).await.expect("it can be read").is_none());
    let locks = folder.path().join("jobs.db.locks");
    for run in gone {
        assert!(!locks.join(format!("{run}.lock")).exists());
    }
    for (run, things) in
        [(newest, ["cup", "fork", "knife", "plate"].as_slice()), (only, &["cup", "knife", "plate"])]
    {
        let outcome = engine.rollback(run).await.expect("nobody holds it");
        assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
        assert_eq!(shelf.things(), things);
    }
    assert_eq!(journal.run(open).await.expect("it is there").state, RunState::Suspended);
    start("a", "bowl").await;
}
