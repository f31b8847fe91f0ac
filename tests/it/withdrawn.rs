//! A rollback that gives way to a version in service takes away what it has brought back, wherever it is killed, and brings it
//! back anew once that version is gone.

use serde_json::{Value, json};

use crate::claims::version;
use crate::harness::{Machine, World};

/// Where a start has found nobody else, and has created nothing.
const FOUND: &str = "find-old-backends/completed";

/// The deployment of a version, which does this with its predecessor.
fn with(world: &World, n: &str, old: &str) -> Value {
    let mut deployment = version(world, n);
    deployment["old-instance"] = json!(old);
    deployment["ci-filter"] = json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}});
    deployment
}

fn world() -> World {
    let mut world = World::hurried();
    // The winner is destroyed in the end, and until then nobody else serves. What is kept or stopped is no leak.
    (world.expects_violations, world.expects_leftovers) = (true, true);
    world
}

/// The rollback is suspended, and says which run goes first.
#[track_caller]
fn gives_way(back: &Machine<'_>, verb: &str, to: &Machine<'_>) {
    gives_way_to(back, verb, &to.latest());
}

#[track_caller]
fn gives_way_to(back: &Machine<'_>, verb: &str, run: &str) {
    let ran = back.run(&[verb, "latest"]).expect(75);
    let told = format!("run {run} has made ocid1.");
    assert!(ran.stderr.contains(&told) && ran.stderr.contains("serves already"), "{}", ran.stderr);
}

/// Destroys what the winner has made.
#[track_caller]
fn destroyed(winner: &Machine<'_>) {
    let shown = winner.run(&["history", "latest", "--output", "json"]).json();
    let id = shown["new_instance_id"].as_str().expect("an id");
    winner.run(&["destroy", "deployment.json", "--id", id, "--yes"]).expect(0);
}

/// Takes the winner away, and lets the rollback go on.
#[track_caller]
fn goes_on_alone(world: &World, back: &Machine<'_>, winner: &Machine<'_>) {
    destroyed(winner);
    let run = back.run(&["resume", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(run["status"], "rolled-back", "{run:#}");
    assert_eq!(world.running(), ["1"]);
    let serving = world.backends("http").into_iter().filter(|one| one["drain"] == false).count();
    assert_eq!((serving, world.backends("http").len()), (1, 1));
}

/// The old instance, as the cloud has it: its state, and whether it is marked as kept.
fn old_one(world: &World) -> (Value, bool) {
    let seeded = world.state()["seed"]["webserverId"].clone();
    let one = world.web_servers().into_iter().find(|one| one["id"] == seeded).expect("it is there");
    (one["lifecycleState"].clone(), one["freeformTags"]["deployctl-kept"].is_string())
}

#[test]
fn a_rollback_notices_before_it_brings_anything_back() {
    for old in ["delete", "stop", "keep"] {
        let world = world();
        let (back, winner) = (world.machine("back"), world.machine("winner"));
        back.run(&["start", back.write_deployment(&with(&world, "2", old))]).expect(0);
        winner.run(&["start", winner.write_deployment(&with(&world, "3", "delete"))]).expect(0);
        let before = world.changes();
        gives_way(&back, "rollback", &winner);
        gives_way(&back, "resume", &winner);
        assert_eq!(world.changes(), before, "{old}");
        goes_on_alone(&world, &back, &winner);
    }
}

/// Lets a start win while a rollback is dead at `point`, after it has brought something back.
#[track_caller]
fn overtaken<'w>(world: &'w World, old: &str, point: &str) -> (Machine<'w>, Machine<'w>) {
    let (back, winner) = (world.machine("back"), world.machine("winner"));
    back.run(&["start", back.write_deployment(&with(world, "2", old))]).expect(0);
    winner.killed_at(&["start", winner.write_deployment(&with(world, "3", "delete"))], FOUND);
    back.killed_at(&["rollback", "latest"], point);
    world.wait_until_idle();
    winner.run(&["resume", "latest"]).expect(0);
    (back, winner)
}

/// It has looked whether another version serves, and found none, and dies before it registers the old instance again.
const LOOKED: &str = "undo remove-backend/CreateBackend unsent";

#[test]
fn what_a_rollback_has_brought_back_is_taken_away_again() {
    for point in ["undo retire-instance/CreateContainerInstance unread", "undo remove-backend/begun", LOOKED]
    {
        let world = world();
        let (back, winner) = overtaken(&world, "delete", point);
        gives_way(&back, "resume", &winner);
        world.expect_serving("3");
        let told = back.run(&["history", "latest", "--events"]).expect(0).stdout;
        assert_eq!(told.contains("is removed again"), point == LOOKED, "{told}");
        assert!(told.contains("is deleted again") && told.contains("taken back again"), "{told}");
        gives_way(&back, "resume", &winner);
        goes_on_alone(&world, &back, &winner);
    }
}

#[test]
fn what_is_kept_or_stopped_is_so_again() {
    for (old, state) in [("stop", "INACTIVE"), ("keep", "ACTIVE")] {
        let world = world();
        let (back, winner) = overtaken(&world, old, "undo remove-backend/begun");
        assert_eq!(old_one(&world), (json!("ACTIVE"), false), "{old}: it was brought back");
        gives_way(&back, "resume", &winner);
        assert_eq!(old_one(&world), (json!(state), true), "{old}");
        goes_on_alone(&world, &back, &winner);
        assert_eq!(old_one(&world), (json!("ACTIVE"), false), "{old}");
    }
}

#[test]
fn a_rollback_that_is_killed_while_it_gives_way_gives_way() {
    let taking_away = [
        "GET unread",
        "DeleteBackend unsent",
        "DeleteBackend unread",
        "DeleteContainerInstance unsent",
        "DeleteContainerInstance unread",
        "done, not completed",
        "completed",
    ];
    for instant in taking_away {
        let world = world();
        let (back, winner) = overtaken(&world, "delete", LOOKED);
        // Whether the version that is in the way is still there when it goes on makes no difference to that.
        back.killed_at(&["resume", "latest"], &format!("undo shift-set/{instant}"));
        gives_way(&back, "resume", &winner);
        world.expect_serving("3");
        goes_on_alone(&world, &back, &winner);
    }
}

#[test]
fn a_rollback_that_begins_to_give_way_takes_everything_away_even_if_the_winner_goes() {
    let world = world();
    let (back, winner) = overtaken(&world, "delete", LOOKED);
    back.killed_at(&["resume", "latest"], "undo shift-set/DeleteContainerInstance unsent");
    let run = winner.latest();
    destroyed(&winner);
    gives_way_to(&back, "resume", &run);
    assert_eq!(world.running(), Vec::<String>::new());
    back.run(&["resume", "latest"]).expect(0);
    world.expect_serving("1");
}
