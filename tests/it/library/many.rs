//! One process drives many runs.

use std::sync::Arc;

use deployctl::engine::{End, Engine};

use super::{Fill, Shelf, impatient, journal, registry, started};

/// The number of runs that are driven at once.
const N_RUNS: usize = 8;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "each task is awaited: that a run may be one is what is tried")]
async fn one_process_drives_several_runs_at_once_each_as_a_task() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let shelf = Arc::new(Shelf::default());
    let things = |run: usize| -> Vec<String> { (0..3).map(|n| format!("{run}-{n}")).collect() };
    let tasks: Vec<_> = (0..N_RUNS)
        .map(|n| {
            let (journal, shelf, input) = (journal.clone(), Arc::clone(&shelf), things(n));
            tokio::spawn(async move {
                let registry = registry();
                let engine = Engine::new(&journal, &*shelf, &registry).retry_policy(impatient());
                engine.start::<Fill>(started(&n.to_string()), &input).await.expect("its target is its own")
            })
        })
        .collect();
    let mut runs = Vec::new();
    for task in tasks {
        let outcome = task.await.expect("no run panics");
        assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
        runs.push(outcome.run);
    }
    assert_eq!(shelf.things(), (0..N_RUNS).flat_map(things).collect::<Vec<_>>());

    // One engine also drives several runs backwards.
    let (registry, shelf) = (registry(), &*shelf);
    let engine = Engine::new(&journal, shelf, &registry).retry_policy(impatient());
    let (first, second) = tokio::join!(engine.rollback(runs[0]), engine.rollback(runs[1]));
    for outcome in [first, second] {
        let outcome = outcome.expect("nobody holds it");
        assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
    }
    assert_eq!(shelf.things(), (2..N_RUNS).flat_map(things).collect::<Vec<_>>());
}

/// Every listener receives every event of a run, in the order of the journal.
#[tokio::test]
async fn several_listeners_hear_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let heard = |update: deployctl::run::Update<'_>| match update {
        deployctl::run::Update::Event(event) => Some(event.n),
        deployctl::run::Update::Progress { .. } | deployctl::run::Update::Trouble { .. } => None,
    };
    let run = {
        let engine = Engine::new(&journal, &shelf, &registry)
            .tell(|update| one.extend(heard(update)))
            .tell(|update| other.extend(heard(update)));
        engine.start::<Fill>(started("a"), &vec!["a".to_owned()]).await.expect("the target is free").run
    };
    let committed: Vec<u32> =
        journal.events_after(run, 0).await.expect("it can be read").iter().map(|event| event.n).collect();
    assert_eq!(one, committed);
    assert_eq!(other, committed);
}
