//! The result of a run and its reason, for people and for scripts.

use serde_json::{Value, json};

use crate::harness::World;

fn outcome(world: &World, run: &str) -> Value {
    world.run(&["history", run, "--output", "json"]).expect(0).json()["outcome"].clone()
}

#[test]
fn each_end_has_a_word_of_its_own() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    assert_eq!(outcome(&world, "latest"), "succeeded");
    let first = world.run(&["history", "latest", "--output", "json"]).json()["run_id"].clone();
    let first = first.as_str().expect("an id");
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    assert_eq!(outcome(&world, first), "superseded");
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(outcome(&world, "latest"), "undone");
    let mut missing = deployment.clone();
    missing["ci-filter"]["display-name"] = json!("nobody");
    let refused =
        world.run(&["start", world.write_deployment(&missing), "--output", "json"]).expect(2).json();
    assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("refused"), &json!("refused")));
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"SANDBOX_HEALTH": "failing"});
    deployment["backend-timeout"] = json!("300ms");
    let failed =
        world.run(&["start", world.write_deployment(&deployment), "--output", "json"]).expect(3).json();
    assert_eq!((&failed["outcome"], &failed["status"]), (&json!("failed-and-undone"), &json!("rolled-back")));
    let shown = world.run(&["history"]).expect(0).stdout;
    for word in ["superseded", "undone", "failed and undone", "refused"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
}

#[test]
fn what_ended_a_command_is_in_its_object() {
    let (world, file) = World::with_deployment();
    // The process is taken for dead, and another process takes the run over.
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "500", "times": 1000}));
    let suspended = world.run(&["start", file, "--output", "json"]).expect(75).json();
    world.clear_faults();
    assert_eq!(suspended["reason"], "suspended", "{suspended}");
    assert!(suspended["error"].as_str().is_some_and(|error| error.contains("500")), "{suspended}");
    let hint = suspended["hint"].as_str().expect("a hint");
    assert!(hint.contains("`deployctl resume "), "{hint}");
    assert_eq!(suspended["outcome"], Value::Null);
    let done = world.run(&["resume", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(done["warnings"], json!([]), "{done}");
}

/// The names in an object, in order.
fn names(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn scripts_find_each_field_by_its_name() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    let run = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    let head = [
        "run_id",
        "workflow",
        "workflow_version",
        "name",
        "status",
        "interrupted",
        "outcome",
        "created_at",
        "finished_at",
        "error",
        "old_instance_id",
        "old_image",
        "new_instance_id",
        "new_image",
        "restored_instance_id",
        "in_service_at",
        "started_by",
        "start_reason",
        "job_url",
        "rolled_back_by",
        "rollback_reason",
        "repeats_run_id",
    ];
    assert_eq!(names(&run)[..head.len()], head);
    assert_eq!(names(&run)[head.len()..], ["warnings", "steps"]);
    let list = world.run(&["history", "--output", "json"]).expect(0).json();
    assert_eq!(names(&list["runs"][0])[..], head);
    let created =
        run["steps"].as_array().expect("steps").iter().find(|step| step["name"] == "create-instance");
    let created = created.expect("it was created");
    assert_eq!(
        names(created),
        [
            "seq",
            "name",
            "subject",
            "status",
            "attempts",
            "started_at",
            "finished_at",
            "result",
            "error",
            "compensation"
        ]
    );
    let undo = ["status", "attempts", "started_at", "finished_at", "error"];
    assert_eq!(names(&created["compensation"]), undo);
    assert_eq!((&created["attempts"], &created["compensation"]["attempts"]), (&json!(1), &json!(1)));
}

#[test]
fn a_second_signal_leaves_an_object_as_well() {
    let (world, file) = World::with_deployment();
    let start = ["start", file, "--output", "json"];
    let early = world.run_with(&start, "run/not started=1*return(INT INT)").expect(130).json();
    // Either the run had just begun, or the kernel merged the two signals.
    let said = if early["run_id"].is_null() { &early["error"]["kind"] } else { &early["reason"] };
    assert_eq!(said, "interrupted", "{early}");
    let begun = world.run(&["history", "--output", "json"]).expect(0).json();
    for run in begun["runs"].as_array().expect("runs") {
        world.run(&["rollback", run["run_id"].as_str().expect("an id")]).expect(0);
    }
    let stopped = world.run_with(&start, "register-backend/begun=1*return(TERM TERM)").expect(143).json();
    assert_eq!(stopped["reason"], "interrupted", "{stopped}");
    assert!(stopped["hint"].as_str().is_some_and(|hint| hint.contains("`deployctl resume ")), "{stopped}");
    let names = stopped["steps"].as_array().expect("steps").iter().map(|step| &step["name"]);
    assert!(names.clone().any(|name| name == "register-backend"), "{stopped}");
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn a_command_line_that_is_not_understood_is_told_to_scripts_too() {
    let world = World::hurried();
    let typed = world.run(&["histroy"]).expect(2);
    assert!(typed.stderr.contains("'history'") && !typed.stderr.contains("destroy'"), "{}", typed.stderr);
    for args in [
        &["start", "--no-such-flag", "--output", "json"][..],
        &["--output=json", "rolback"],
        &["history", "--limit", "many", "--output", "json"],
    ] {
        let refused = world.run(args).expect(2).json();
        let error = &refused["error"];
        assert_eq!(error["kind"], "usage", "{refused}");
        assert!(error["message"].as_str().is_some_and(|text| !text.contains('\n')), "{refused}");
    }
    let missing = world.run(&["history", "--journal", "nowhere.db"]).expect(2);
    assert!(missing.stderr.contains("there is no journal nowhere.db"), "{}", missing.stderr);
}

#[test]
fn a_plan_refuses_what_the_cloud_does_not_hold() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["ci-config"]["vnics"][0]["subnet-id"] = json!("ocid1.subnet.oc1.iad.nowhere");
    let file = world.write_deployment(&deployment);
    let planned = world.run(&["plan", file]).expect(2);
    let validated = world.run(&["validate", "--online", file]).expect(2);
    for ran in [&planned, &validated] {
        assert!(ran.stderr.contains("ocid1.subnet.oc1.iad.nowhere"), "{}", ran.stderr);
    }
    assert_eq!(world.changes(), Vec::<String>::new());
}
