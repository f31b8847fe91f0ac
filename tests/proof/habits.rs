//! Both sides of every unknown: where nobody knows what the real cloud does, a run succeeds, is resumed and is rolled back
//! whatever the cloud does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Traffic, World, each, portion};

/// A cloud with some habits, and the deployment's options for it that are not defaults.
struct Case {
    habits: Value,
    options: Value,
}

fn case(habits: Value) -> Case {
    Case { habits, options: json!({}) }
}

fn cases() -> Vec<Case> {
    vec![
        case(json!({})),
        Case {
            habits: json!({"drained-backends": "unchecked"}),
            options: json!({"register": "active", "backend-timeout": "10s"}),
        },
        case(json!({"read-lag-ms": 400})),
        case(json!({"work-request-lag-ms": 300})),
        case(json!({"health-nodes": "disagree"})),
        case(json!({"busy": "refused"})),
        case(json!({"if-match": "applied"})),
        case(json!({"if-match": "applied", "read-lag-ms": 300})),
        case(json!({"deleted-instances": "vanish"})),
        case(json!({"no-change": "refused"})),
        case(json!({"no-change": "keeps-version"})),
        case(json!({"no-op": "refused"})),
        case(json!({"backends-most": 8})),
        case(json!({"vnic": "after-active"})),
        case(json!({"vnic": "with-creating"})),
        case(json!({"undocumented": "refused"})),
        case(json!({"work-requests": "late"})),
        case(json!({"token-replay": "refused"})),
        case(json!({"token-replay": "before-version"})),
    ]
}

impl Case {
    fn world(&self) -> World {
        let world = World::hurried();
        if self.habits["undocumented"] == "refused" {
            world.one_by_one();
        }
        world.post("/sandbox/habits", &self.habits);
        world
    }

    /// Writes the deployment of a version.
    fn write(&self, world: &World, version: &str) -> &'static str {
        let mut deployment = world.deployment_of(version);
        deployment["poll-interval"] = json!("20ms");
        deployment["drain-delay"] = json!("500ms");
        for (name, value) in self.options.as_object().expect("options") {
            deployment[name] = value.clone();
        }
        world.write_deployment(&deployment)
    }

    fn killed(&self, world: &World, version: &str, point: &str) {
        let file = self.write(world, version);
        world.killed_at(&["start", file], point);
    }
}

#[track_caller]
fn expect_serving(world: &World, version: &str) {
    assert_eq!(world.running(), [version]);
    let backends = world.backends("http");
    assert!(backends.len() == 1 && backends[0]["drain"] == false, "{backends:?}");
}

#[test]
fn a_run_goes_through_is_resumed_and_is_rolled_back_on_every_cloud() {
    let cases = portion(cases(), 5);
    let outcomes = each(&cases, |case| {
        let world = case.world();
        let traffic = Traffic::of(world.front(), Duration::from_millis(30));
        case.killed(&world, "2", "await-work-request[register-backend]/begun");
        world.run(&["resume", "latest"]).expect(0);
        expect_serving(&world, "2");
        world.run(&["rollback", "latest"]).expect(0);
        expect_serving(&world, "1");
        if crate::IS_WHOLE {
            case.killed(&world, "3", "remove-backend/begun");
            world.run(&["rollback", "latest"]).expect(0);
            expect_serving(&world, "1");
        }
        let findings = traffic.stop();
        assert_eq!(findings.n_failed(), 0, "requests dropped: {:?}", findings.failures);
    });
    expect_all(&cases, outcomes);
}

#[track_caller]
fn expect_all(cases: &[Case], outcomes: Vec<Result<(), String>>) {
    let outcomes = cases.iter().zip(outcomes);
    let failed: Vec<String> = outcomes
        .filter_map(|(case, outcome)| outcome.err().map(|why| format!("{}: {why}", case.habits)))
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// The message of a cloud in which a new version cannot come into service.
fn refused(case: &Case) -> &'static str {
    if case.habits["health"] == "warning" { "is WARNING" } else { "LimitExceeded" }
}

/// Clouds in which a new version cannot come into service: the cloud's nodes do not all reach it, or the set is full, with
/// the web server and two strangers.
fn closed_clouds() -> Vec<Case> {
    vec![case(json!({"health": "warning"})), case(json!({"backends-most": 3}))]
}

#[test]
fn what_a_cloud_does_not_take_is_taken_back_and_said() {
    let cases = closed_clouds();
    let outcomes = each(&cases, |case| {
        let world = World::hurried();
        case.killed(&world, "2", "create-instance/begun");
        world.post("/sandbox/habits", &case.habits);
        let ran = world.run(&["resume", "latest"]).expect(3);
        assert!(ran.stderr.contains(refused(case)), "{}", ran.stderr);
        expect_serving(&world, "1");
        let ran = world.run(&["start", case.write(&world, "3")]).expect(3);
        assert!(ran.stderr.contains(refused(case)), "{}", ran.stderr);
        expect_serving(&world, "1");
        assert_eq!(world.versions(), ["1"]);
    });
    expect_all(&cases, outcomes);
}

#[test]
fn a_rollback_that_a_cloud_does_not_take_leaves_the_new_version_serving_and_goes_on_when_it_does() {
    let cases = closed_clouds();
    let outcomes = each(&cases, |case| {
        let world = World::hurried();
        world.run(&["start", case.write(&world, "2")]).expect(0);
        let usual = world.get("/sandbox/habits");
        world.post("/sandbox/habits", &case.habits);
        let ran = world.run(&["rollback", "latest"]).expect(5);
        assert!(ran.stderr.contains(refused(case)), "{}", ran.stderr);
        let serving = world.backends("http").into_iter().filter(|one| one["drain"] == false);
        assert_eq!(serving.count(), 1, "{:?}", world.backends("http"));
        assert!(world.running().contains(&"2".to_owned()), "{:?}", world.running());
        world.post("/sandbox/habits", &usual);
        world.run(&["rollback", "latest"]).expect(0);
        expect_serving(&world, "1");
        assert_eq!(world.versions(), ["1"]);
    });
    expect_all(&cases, outcomes);
}
