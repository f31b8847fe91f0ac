//! A person ends a run: the side that serves is kept, and the other side is taken away.

use serde_json::{Value, json};

use crate::harness::{Traffic, World};

fn newest(world: &World) -> Value {
    world.run(&["history", "latest", "--output", "json"]).expect(0).json()
}

/// A success whose rollback cannot create the old instance again.
fn stuck_without_the_old_one(world: &World, file: &str) {
    world.run(&["start", file]).expect(0);
    world.fault(&json!({"method": "POST", "path": "containerInstances", "effect": "not-found"}));
    world.run(&["rollback", "latest"]).expect(5);
    world.clear_faults();
}

/// A success whose rollback brought the old version back, and cannot take the new one away.
fn stuck_beside_the_new_one(world: &World, file: &str) {
    world.run(&["start", file]).expect(0);
    world.fault(&json!({"method": "DELETE", "path": "/backends/", "effect": "capacity"}));
    world.run(&["rollback", "latest"]).expect(5);
    world.clear_faults();
}

#[track_caller]
fn assert_ended(world: &World, state: &str, version: &str) {
    assert_eq!(newest(world)["status"], state);
    assert_eq!(world.versions(), [version]);
    let backends = world.backends("http");
    assert!(backends.iter().all(|backend| backend["drain"] == false), "{backends:?}");
    assert_eq!(world.held(), 0);
}

#[test]
fn a_stuck_run_is_ended_for_its_new_side() {
    let (world, file) = World::with_deployment();
    stuck_without_the_old_one(&world, file);
    let traffic = Traffic::start(world.front());
    let refused = world.run(&["abandon", "latest", "--keep", "old"]).expect(2);
    assert!(refused.stderr.contains("which is kept serves"), "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    assert_eq!(newest(&world)["status"], "stuck");
    let ran = world.run(&["abandon", "latest", "--keep", "new", "--reason", "version 2 is fine"]).expect(0);
    assert!(!ran.stdout.contains("rollback"), "{}", ran.stdout);
    assert_eq!(traffic.stop().n_failed(), 0);
    assert_ended(&world, "succeeded", "2");
    let events = world.run(&["history", "latest", "--events"]).expect(0).stdout;
    assert!(events.contains("abandoned by ann@"), "{events}");
    assert!(events.contains("keeping the new side: version 2 is fine"), "{events}");
    // The run is over: it can be neither resumed nor rolled back, and the next version follows it.
    for args in [&["rollback", "latest"][..], &["resume", "latest"], &["abandon", "latest", "--keep", "old"]]
    {
        world.run(args).expect(2);
    }
    world.run(&["start", file]).expect(0);
    assert_ended(&world, "succeeded", "2");
}

#[test]
fn a_stuck_run_is_ended_for_its_old_side() {
    let (world, file) = World::with_deployment();
    stuck_beside_the_new_one(&world, file);
    let traffic = Traffic::start(world.front());
    let refused = world.run(&["abandon", "latest", "--keep", "new"]).expect(2);
    assert!(refused.stderr.contains("which is kept serves"), "{}", refused.stderr);
    world.run(&["abandon", "latest", "--keep", "old"]).expect(0);
    assert_eq!(traffic.stop().n_failed(), 0);
    assert_ended(&world, "rolled-back", "1");
}

#[test]
fn what_a_person_resolved_as_done_goes_with_its_side() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    // The old instance serves again, and the new one cannot be drained.
    world.fault(&json!({"method": "PUT", "path": "/backends/", "skip": 1, "effect": "capacity"}));
    world.run(&["rollback", "latest"]).expect(5);
    world.clear_faults();
    let resolve = ["resolve", "latest", "shift-set", "--as", "done", "--reason", "it stays"];
    world.run(&resolve).expect(0);
    world.run(&["abandon", "latest", "--keep", "old"]).expect(0);
    assert_ended(&world, "rolled-back", "1");
}

#[test]
fn an_interrupted_run_is_ended_for_either_side_while_both_serve() {
    for (keep, state, version) in [("new", "succeeded", "2"), ("old", "rolled-back", "1")] {
        let (world, file) = World::with_deployment();
        world.one_by_one();
        let killed = world.run_with(&["start", file], "drain-backend/begun=return");
        assert_eq!(killed.code, -1, "{}", killed.stderr);
        let traffic = Traffic::start(world.front());
        world.run(&["abandon", "latest", "--keep", keep]).expect(0);
        assert_eq!(traffic.stop().n_failed(), 0, "{keep}");
        assert_ended(&world, state, version);
    }
}

#[test]
fn one_that_is_killed_ends_right_when_it_is_run_again_or_resumed() {
    for again in [&["abandon", "latest", "--keep", "new"][..], &["resume", "latest"]] {
        for point in
            ["drain-backend/begun", "remove-backend/begun", "retire-instance/begun", "run/not finished"]
        {
            let (world, file) = World::with_deployment();
            world.one_by_one();
            let killed = world.run_with(&["start", file], "drain-backend/begun=return");
            assert_eq!(killed.code, -1, "{}", killed.stderr);
            let traffic = Traffic::start(world.front());
            let killed = world.run_with(&["abandon", "latest", "--keep", "new"], &format!("{point}=return"));
            assert_eq!(killed.code, -1, "{point}: {}", killed.stderr);
            // Half of the old side is gone. There is no way back, and the message names the way on.
            let refused = world.run(&["rollback", "latest"]).expect(2);
            assert!(refused.stderr.contains("abandon"), "{}", refused.stderr);
            world.run(again).expect(0);
            assert_eq!(traffic.stop().n_failed(), 0, "{point}");
            assert_ended(&world, "succeeded", "2");
        }
    }
    for again in [&["abandon", "latest", "--keep", "old"][..], &["resume", "latest"]] {
        for point in ["undo admit-backend/begun", "undo create-instance/begun", "run/not finished"] {
            let (world, file) = World::with_deployment();
            world.one_by_one();
            let killed = world.run_with(&["start", file], "drain-backend/begun=return");
            assert_eq!(killed.code, -1, "{}", killed.stderr);
            let killed = world.run_with(&["abandon", "latest", "--keep", "old"], &format!("{point}=return"));
            assert_eq!(killed.code, -1, "{point}: {}", killed.stderr);
            world.run(again).expect(0);
            assert_ended(&world, "rolled-back", "1");
        }
    }
}

#[test]
fn a_run_that_is_driven_or_over_is_not_abandoned() {
    let (world, _) = World::with_deployment();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("3s");
    let file = world.write_deployment(&deployment);
    let mut driving = world.command(&["start", file, "-q"]).spawn().expect("starts");
    world.wait_until("the drain", || world.steps().iter().any(|(name, _)| name == "await-drain"));
    let refused = world.run(&["abandon", "latest", "--keep", "new"]).expect(6);
    assert!(refused.stderr.contains("is being advanced by ann@"), "{}", refused.stderr);
    assert!(driving.wait().expect("ends").success());
    world.run(&["abandon", "latest", "--keep", "new"]).expect(2);
    assert_eq!(newest(&world)["status"], "succeeded");
}
