//! The sources of sign-in settings, and which one wins: a flag, the environment, `oci_cli_rc`, the profile.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::{calls, on_oci, one, planned_by, refused, signers};
use crate::harness::World;

/// The fields of an API key, as they would be in `.oci/config`.
fn of_user(world: &World) -> Vec<(&'static str, String)> {
    let config = fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    let value = |key: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.expect("the profile is whole").to_owned()
    };
    vec![
        ("OCI_CLI_USER", value("user")),
        ("OCI_CLI_TENANCY", value("tenancy")),
        ("OCI_CLI_FINGERPRINT", value("fingerprint")),
        ("OCI_CLI_REGION", value("region")),
        ("OCI_CLI_KEY_FILE", value("key_file")),
    ]
}

#[test]
fn no_file_is_needed_when_all_is_in_the_environment() {
    let mut world = World::signed();
    let mut variables = of_user(&world);
    fs::remove_file(world.path(".oci/config")).expect("removed");
    refused(&world, &[], &["cannot read", ".oci/config"]);
    world.set_environment(variables.clone());
    assert_eq!(planned_by(&world, &[]), one("user"));
    let (_, key_file) = variables.pop().expect("the last one");
    refused(&world, &["--profile", "X", "--auth", "security_token"], &["names no security_token_file"]);
    world.set_environment(variables.clone());
    refused(
        &world,
        &[],
        &["cannot read", "to do without a file, OCI_CLI_KEY_FILE (or OCI_CLI_KEY_CONTENT) is missing"],
    );
    world.set_environment(variables[..1].to_vec());
    refused(
        &world,
        &[],
        &["to do without a file, OCI_CLI_TENANCY, OCI_CLI_FINGERPRINT, OCI_CLI_REGION, OCI_CLI_KEY_FILE"],
    );
    let key = fs::read_to_string(key_file).expect("readable");
    variables.push(("OCI_CLI_KEY_CONTENT", key));
    world.set_environment(variables.clone());
    assert_eq!(planned_by(&world, &[]), one("user"));
    variables[2].1 = "00:11".to_owned();
    world.set_environment(variables);
    refused(&world, &[], &["the environment: OCI_CLI_KEY_CONTENT: the private key does not belong"]);
}

#[test]
fn a_flag_wins_over_a_variable_over_the_rc_file_over_the_profile() {
    let mut world = World::signed();
    on_oci(&mut world);
    world.write(
        ".oci/oci_cli_rc",
        "[OCI_CLI_SETTINGS]\ndefault_profile=SESSION\n[SESSION]\nregion=moon\n[DELEGATED]\nauth=resource_principal\n",
    );
    refused(&world, &[], &["`moon` is not a region"]);
    assert_eq!(planned_by(&world, &["--region", "phx"]), one("session"));
    assert_eq!(planned_by(&world, &["--profile", "DELEGATED"]), one("resource"));
    let with = |world: &mut World, name, value: &str| {
        let mut environment = super::principals(world);
        environment.push((name, value.to_owned()));
        world.set_environment(environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
    };
    with(&mut world, "OCI_CLI_PROFILE".to_owned(), "DEFAULT");
    assert_eq!(planned_by(&world, &[]), one("user"));
    with(&mut world, "OCI_CLI_AUTH".to_owned(), "instance_principal");
    assert_eq!(planned_by(&world, &["--profile", "DELEGATED"]), one("instance"));
    assert_eq!(planned_by(&world, &["--auth", "api_key", "--profile", "DEFAULT"]), one("user"));
    with(&mut world, "OCI_CLI_AUTH".to_owned(), "pkcs11");
    refused(
        &world,
        &["--region", "phx"],
        &["cannot sign in by `pkcs11`: expected one of api_key, security_token, "],
    );
    with(&mut world, "OCI_CLI_SECURITY_TOKEN_FILE".to_owned(), "/nowhere/token");
    refused(&world, &["--region", "phx"], &["[SESSION]: cannot read /nowhere/token"]);
}

#[test]
fn another_rc_file_and_another_configuration_file_can_be_named() {
    let mut world = World::signed();
    world.write("rc", "[OCI_CLI_SETTINGS]\ndefault_profile=OTHER\n");
    let config = fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    world.write("config", &config.replace("[SESSION]", "[OTHER]"));
    let named = |world: &World, name: &str| world.path(name).display().to_string();
    let rc = ("OCI_CLI_RC_FILE", named(&world, "rc"));
    world.set_environment([rc.clone()]);
    refused(&world, &[], &["has no profile [OTHER]; it has [DEFAULT], [SESSION], [INSTANCE], [DELEGATED]"]);
    world.set_environment([rc.clone(), ("OCI_CLI_CONFIG_FILE", "~/config".to_owned())]);
    assert_eq!(planned_by(&world, &[]), one("session"));
    // The SDK's own variable counts only if the usual file does not exist.
    world.set_environment([rc.clone(), ("OCI_CONFIG_FILE", named(&world, "config"))]);
    refused(&world, &[], &["has no profile [OTHER]"]);
    fs::remove_file(world.path(".oci/config")).expect("removed");
    assert_eq!(planned_by(&world, &[]), one("session"));
}

#[test]
fn the_deployments_own_credentials_give_way_to_a_flag_alone() {
    let mut world = World::signed();
    on_oci(&mut world);
    let variables = of_user(&world);
    let value = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| value.clone());
    let mut deployment = world.deployment();
    deployment["config"] = json!({
        "user-ocid": value("OCI_CLI_USER"),
        "tenancy-ocid": value("OCI_CLI_TENANCY"),
        "key-fingerprint": value("OCI_CLI_FINGERPRINT"),
        "private-key-file": value("OCI_CLI_KEY_FILE"),
        "region": "us-ashburn-1",
    });
    world.write("web.json", &deployment.to_string());
    let mut environment = super::principals(&world);
    environment.push(("OCI_CLI_AUTH".to_owned(), "instance_principal".to_owned()));
    world.set_environment(environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
    assert_eq!(planned_by(&world, &[]), one("user"));
    assert_eq!(planned_by(&world, &["--auth", "resource_principal"]), one("resource"));
}

#[test]
fn a_resumed_run_signs_in_as_it_was_started() {
    let mut world = World::catchable();
    on_oci(&mut world);
    let file = world.write_deployment(&world.deployment());
    world.kill_at(&["start", file, "--auth", "resource_principal"], "create-instance", "completed");
    world.set_environment([]);
    let first = calls(&world).len();
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(signers(&world, first), one("resource"));
    // So does a rollback, by the identity that is asked for.
    let first = calls(&world).len();
    world.run(&["rollback", "latest", "--auth", "api_key"]).expect(0);
    assert_eq!(signers(&world, first), one("user"));
}

#[test]
fn a_key_in_the_environment_is_asked_for_again_and_kept_nowhere() {
    let mut world = World::catchable();
    let mut variables = of_user(&world);
    let (_, key_file) = variables.pop().expect("the last one");
    let key = ("OCI_CLI_KEY_CONTENT", fs::read_to_string(key_file).expect("readable"));
    variables.push(key.clone());
    fs::remove_file(world.path(".oci/config")).expect("removed");
    let file = world.write_deployment(&world.deployment());
    world.set_environment(variables);
    world.kill_at(&["start", file], "create-instance", "completed");
    world.set_environment([]);
    let ran = world.run(&["resume", "latest"]).expect(2);
    assert!(ran.stderr.contains("OCI_CLI_KEY_CONTENT was set when the run was started"), "{}", ran.stderr);
    let a_line = key.1.lines().nth(1).expect("a line of the key").to_owned();
    for entry in fs::read_dir(world.path(".local/state/deployctl")).expect("the journal's folder") {
        let path = entry.expect("an entry").path();
        let bytes = if path.is_file() { fs::read(&path).expect("readable") } else { Vec::new() };
        let is_there = bytes.windows(a_line.len()).any(|window| window == a_line.as_bytes());
        assert!(!is_there, "{} holds the key", path.display());
    }
    world.set_environment([key]);
    world.run(&["resume", "latest"]).expect(0);
}

#[test]
fn files_that_others_can_read_are_warned_of() {
    let mut world = World::signed();
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
    let warnings = |world: &World, flags: &[&str]| {
        let ran = world.run(&[&["plan", "web.json", "--quiet"], flags].concat()).expect(0);
        ran.stderr.lines().filter(|line| line.contains("are too open")).count()
    };
    assert_eq!(warnings(&world, &[]), 0);
    set(&world.path(".oci/config"), 0o644);
    set(&world.path(".oci/sandbox_key.pem"), 0o400);
    assert_eq!(warnings(&world, &[]), 1);
    set(&world.path(".oci/sandbox_key.pem"), 0o640);
    assert_eq!(warnings(&world, &[]), 2);
    set(&world.path(".oci/sessions/SESSION/token"), 0o604);
    set(&world.path(".oci/sessions/SESSION/oci_api_key.pem"), 0o700);
    assert_eq!(warnings(&world, &["--profile", "SESSION"]), 3);
    let key = world.path(".oci/sandbox_key.pem").display().to_string();
    let ran = world.run(&["plan", "web.json"]).expect(0);
    let expected = format!(
        "warning: permissions on {key} are too open: `oci setup repair-file-permissions --file {key}` mends it"
    );
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    world.set_environment([("OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING", "True".to_owned())]);
    assert_eq!(warnings(&world, &[]), 0);
}

#[test]
fn the_profiles_file_is_read_as_the_sdk_reads_it() {
    let mut world = World::signed();
    let config = fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    let user = of_user(&world).remove(0).1;
    world.write(".oci/config", &config.replacen("[DEFAULT]", "[DEFAULT] # main", 1));
    assert_eq!(planned_by(&world, &[]), one("user"));
    let with_user = |text: &str| config.replacen(&format!("user={user}"), &format!("user={text}"), 1);
    for (text, expected) in [
        (with_user(&format!("{user}\nuser={user}")), "`user` is there twice in the profile [DEFAULT]"),
        (format!("{config}\n[SESSION]\n"), "the profile [SESSION] is there twice"),
        (with_user("<user_ocid>"), "[DEFAULT]: `user` is malformed"),
        (with_user(&format!("{user} # me")), "[DEFAULT]: `user` is malformed"),
        (String::new(), "has no profile [DEFAULT]; it has no profile at all"),
        (format!("\u{feff}{config}"), ".oci/config:1: the file begins with a byte order mark"),
        (config.replacen("key_file=", "key_file=/nowhere", 1), "[DEFAULT]: `key_file` names /nowhere"),
    ] {
        world.write(".oci/config", &text);
        refused(&world, &[], &[expected]);
    }
    world.write(".oci/config", &config);
    world.set_environment([("OCI_CLI_KEY_FILE", "/nowhere/key.pem".to_owned())]);
    refused(
        &world,
        &[],
        &["OCI_CLI_KEY_FILE names /nowhere/key.pem, which cannot be read", "`key_file` in the profile"],
    );
}

#[test]
fn a_region_that_nobody_knows_is_said_to_be_unknown_at_once() {
    let world = World::signed();
    // Only the region says where the services are.
    let config = fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    let config: Vec<&str> = config.lines().filter(|line| !line.starts_with("endpoint")).collect();
    world.write(".oci/config", &config.join("\n"));
    fs::remove_file(world.path(".oci/oci_cli_rc")).expect("the sandbox wrote it");
    let start = |region: &str, variables: &[(&str, &str)]| {
        let mut command = world.command(&["start", "web.json", "--region", region]);
        let ran = command.env_remove("DEPLOYCTL_ENDPOINT").envs(variables.iter().copied()).output();
        crate::harness::Ran::of(&ran.expect("it runs"))
    };
    let refused = start("eu-frankfrut-1", &[]).expect(2);
    for expected in [
        "`eu-frankfrut-1` is not known",
        "iaas.eu-frankfrut-1.oraclecloud.com",
        "did you mean eu-frankfurt-1?",
    ] {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    let refused = start("xx-moon-1", &[("OCI_DEFAULT_REALM", "realm.invalid")]).expect(2);
    assert!(refused.stderr.contains("iaas.xx-moon-1.realm.invalid"), "{}", refused.stderr);
}
