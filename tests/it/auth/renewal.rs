//! Tokens are renewed: before they expire, and once after they are refused.

use serde_json::{Value, json};

use super::{calls, is_federation, n_federations, on_oci, one, refused, signers};
use crate::harness::World;

const SESSION_TOKEN: &str = ".oci/sessions/SESSION/token";
const RESOURCE_TOKEN: &str = ".oci/resource-principal/rpst";

#[test]
fn a_session_that_is_over_is_noticed_before_anything_is_sent() {
    let world = World::signed();
    world.write(SESSION_TOKEN, &world.token(&json!({"issue": "session", "lifetime-seconds": -60})));
    refused(
        &world,
        &["--profile", "SESSION"],
        &[
            "sessions/SESSION/token expired at ",
            "`oci session refresh --profile SESSION` renews a session",
            "`oci session authenticate --profile-name SESSION` begins one",
        ],
    );
    assert_eq!(calls(&world).len(), 0);
}

#[test]
fn a_session_that_is_refused_says_how_to_begin_another() {
    let world = World::signed();
    world.token(&json!({"issue": "session", "revoke": true}));
    let expected =
        ["401 NotAuthenticated", "`oci session refresh --profile SESSION`", "`oci session authenticate"];
    refused(&world, &["--profile", "SESSION"], &expected);
    assert_eq!(calls(&world).len(), 1, "a session's refusal is not repeated");
}

#[test]
fn a_session_that_ends_in_the_middle_suspends_the_run_until_it_is_refreshed() {
    let world = World::signed();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("12s");
    deployment["retry"]["max-elapsed"] = json!("200ms");
    let file = world.write_deployment(&deployment);
    world.write(SESSION_TOKEN, &world.token(&json!({"issue": "session", "lifetime-seconds": 10})));
    let ran = world.run(&["start", file, "--profile", "SESSION"]).expect(75);
    assert!(ran.stderr.contains("SESSION/token expired at "), "{}", ran.stderr);
    assert!(ran.stderr.contains("`oci session refresh --profile SESSION`"), "{}", ran.stderr);
    // The profile is found again, and its file has a newer token.
    world.write(SESSION_TOKEN, &world.token(&json!({"issue": "session", "lifetime-seconds": 3600})));
    world.run(&["resume", "latest"]).expect(0);
    // Requests that were under way when the session expired have no signer.
    let mut signers = signers(&world, 0);
    signers.remove("nobody");
    assert_eq!(signers, one("session"));
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn a_session_that_is_refreshed_in_the_middle_goes_on() {
    let world = World::signed();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("6s");
    let file = world.write_deployment(&deployment);
    world.write(SESSION_TOKEN, &world.token(&json!({"issue": "session", "lifetime-seconds": 5})));
    let mut run = world.begin(&["start", file, "--profile", "SESSION"]);
    world.wait_until("the session signs", || !signers(&world, 0).is_empty());
    world.write(SESSION_TOKEN, &world.token(&json!({"issue": "session", "lifetime-seconds": 3600})));
    assert_eq!(run.wait().expect("ends").code(), Some(0));
    let refused: Vec<_> = calls(&world).into_iter().filter(|call| call["status"] == 401).collect();
    assert!(refused.is_empty(), "a session that had ended signed: {refused:#?}");
}

#[test]
fn an_instances_token_is_renewed_before_it_ends() {
    let mut world = World::signed();
    on_oci(&mut world);
    // The margin is one minute, so this token can be used for two seconds.
    world.token(&json!({"lifetime-seconds": 62}));
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("4s");
    let file = world.write_deployment(&deployment);
    world.run(&["start", file, "--auth", "instance_principal"]).expect(0);
    assert!(n_federations(&world) >= 2, "{}", n_federations(&world));
    assert!(calls(&world).iter().all(|call| call["status"] != 401), "{:#?}", calls(&world));
}

/// The attempts to create an instance: status, retry token, and the client's part of the request id.
fn creations(world: &World) -> Vec<(Value, Value, String)> {
    let calls = calls(world).into_iter();
    calls
        .filter(|call| call["method"] == "POST" && call["target"] == "/20210415/containerInstances")
        .map(|call| {
            let id = call["request_id"].as_str().unwrap_or_default();
            let ours = id.split('/').next().unwrap_or_default().to_owned();
            (call["status"].clone(), call["retry_token"].clone(), ours)
        })
        .collect()
}

#[test]
fn a_principal_that_is_refused_signs_in_again_and_repeats_the_call_once() {
    for auth in ["instance_principal", "resource_principal"] {
        let mut world = World::signed();
        on_oci(&mut world);
        world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "401", "times": 1}));
        let file = world.write_deployment(&world.deployment());
        world.run(&["start", file, "--auth", auth]).expect(0);
        let attempts = creations(&world);
        let [(first, first_token, first_id), (second, second_token, second_id)] = attempts.as_slice() else {
            panic!("{auth}: {attempts:?}");
        };
        assert_eq!((first, second), (&json!(401), &json!(200)), "{auth}");
        assert_eq!(first_token, second_token, "{auth}: the same call");
        assert_ne!(first_id, second_id, "{auth}: another attempt");
        assert_eq!(n_federations(&world), if auth == "instance_principal" { 2 } else { 0 });
    }
}

#[test]
fn a_second_refusal_is_the_answer() {
    let mut world = World::signed();
    on_oci(&mut world);
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "401", "times": 2}));
    let file = world.write_deployment(&world.deployment());
    let ran = world.run(&["start", file, "--auth", "instance_principal"]).expect(75);
    assert!(ran.stderr.contains("401 NotAuthenticated"), "{}", ran.stderr);
    assert_eq!(creations(&world).len(), 2);
    assert_eq!(n_federations(&world), 2);
    world.run(&["resume", "latest"]).expect(0);
}

#[test]
fn a_users_key_that_is_refused_is_not_tried_again() {
    let world = World::signed();
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "401", "times": 1}));
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(75);
    assert_eq!(creations(&world).len(), 1);
    world.run(&["resume", "latest"]).expect(0);
}

#[test]
fn an_instance_whose_tokens_are_revoked_gets_another() {
    let mut world = World::catchable();
    on_oci(&mut world);
    let file = world.write_deployment(&world.deployment());
    let mut run = world.begin(&["start", file, "--auth", "instance_principal"]);
    world.wait_until("the instance signs", || !signers(&world, 0).is_empty());
    world.token(&json!({"issue": "instance", "revoke": true}));
    assert_eq!(run.wait().expect("ends").code(), Some(0));
    assert_eq!(n_federations(&world), 2);
    let n_refused = calls(&world).iter().filter(|call| call["status"] == 401 && !is_federation(call)).count();
    assert_eq!(n_refused, 1);
}

#[test]
fn a_resources_files_are_read_again_when_they_are_refused_or_over() {
    let mut world = World::catchable();
    on_oci(&mut world);
    let file = world.write_deployment(&world.deployment());
    let mut run = world.begin(&["start", file, "--auth", "resource_principal"]);
    world.wait_until("the resource signs", || !signers(&world, 0).is_empty());
    // The platform writes a new token into the file before the old one is refused.
    world.write(RESOURCE_TOKEN, &world.token(&json!({"issue": "resource"})));
    world.token(&json!({"revoke": true}));
    assert_eq!(run.wait().expect("ends").code(), Some(0));
    let n_refused = calls(&world).iter().filter(|call| call["status"] == 401).count();
    assert_eq!(n_refused, 1);

    world.write(RESOURCE_TOKEN, &world.token(&json!({"issue": "resource", "lifetime-seconds": -1})));
    refused(&world, &["--auth", "resource_principal"], &["resource-principal/rpst expired at"]);
}
