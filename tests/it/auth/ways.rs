//! Each way to sign in can drive a run, and a way that cannot work is refused before anything is sent.

use serde_json::json;

use super::{calls, n_federations, on_oci, one, planned_by, principals, refused, signers};
use crate::harness::World;

#[test]
fn each_way_carries_a_whole_run() {
    let mut world = World::signed();
    on_oci(&mut world);
    let ways: [(&[&str], &str); 6] = [
        (&["--profile", "SESSION"], "session"),
        (&["--auth", "instance_principal"], "instance"),
        (&["--auth", "instance_obo_user", "--profile", "DELEGATED"], "delegation"),
        (&["--auth", "resource_principal"], "resource"),
        (&["--profile", "DELEGATED"], "delegation"),
        (&["--auth", "api_key"], "user"),
    ];
    let file = world.write_deployment(&world.deployment());
    for (flags, who) in ways {
        let first = calls(&world).len();
        world.run(&[&["start", file], flags].concat()).expect(0);
        assert_eq!(signers(&world, first), one(who), "{flags:?}");
    }
}

#[test]
fn a_profile_says_how_to_sign_in() {
    let mut world = World::signed();
    on_oci(&mut world);
    for (profile, who) in
        [("DEFAULT", "user"), ("SESSION", "session"), ("INSTANCE", "instance"), ("DELEGATED", "delegation")]
    {
        assert_eq!(planned_by(&world, &["--profile", profile]), one(who));
    }
    // An explicit choice wins over it.
    assert_eq!(
        planned_by(&world, &["--profile", "SESSION", "--auth", "resource_principal"]),
        one("resource")
    );
    let config = std::fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    world.write(".oci/config", &config.replace("=instance_principal", "=magic"));
    refused(&world, &["--profile", "INSTANCE"], &["authentication_type `magic` is not known"]);
}

#[test]
fn an_instance_finds_its_region_and_needs_no_file() {
    let mut world = World::signed();
    on_oci(&mut world);
    std::fs::remove_dir_all(world.path(".oci")).expect("removed");
    assert_eq!(planned_by(&world, &["--auth", "instance_principal"]), one("instance"));
    // Nothing else can be chosen but a user for whom the instance acts.
    let mut environment = principals(&world);
    let token = world.token(&json!({"issue": "delegation"}));
    world.write("delegation", &format!("{token}\n"));
    let file = world.path("delegation").display().to_string();
    environment.push(("OCI_CLI_DELEGATION_TOKEN_FILE".to_owned(), file));
    world.set_environment(environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
    assert_eq!(planned_by(&world, &["--auth", "instance_obo_user"]), one("delegation"));
    world.write("delegation", "");
    refused(&world, &["--auth", "instance_obo_user"], &["delegation holds no delegation token"]);
    // Without an endpoint, the metadata service is asked for the region.
    world
        .run(&["plan", "web.json", "--auth", "instance_principal", "--endpoint", "", "--region", "moon"])
        .expect(2);
    let asked = |path: &str| {
        let audit = world.audit();
        audit["entries"].as_array().expect("entries").iter().any(|entry| entry["target"] == path)
    };
    assert!(!asked("/opc/v2/instance/region"), "a region that is known is not asked for");
    let away = ["plan", "web.json", "--auth", "instance_principal", "--endpoint", ""];
    let mut command = world.command(&away);
    // Nothing is resolved or sent to OCI, because the proxy does not exist.
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1");
    let mut deployment = world.deployment();
    deployment["retry"]["max-elapsed"] = json!("100ms");
    world.write("web.json", &deployment.to_string());
    let output = command.output().expect("starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("us-ashburn-1.oraclecloud.com"), "{stderr}");
    assert!(asked("/opc/v2/instance/region"), "the region is the instance's own");
}

#[test]
fn away_from_oci_that_is_said_at_once() {
    let mut world = World::signed();
    world.set_environment([("OCI_METADATA_BASE_URL", "http://127.0.0.1:1/opc/v2".to_owned())]);
    let expected = ["cannot connect (http://127.0.0.1:1/opc/v2/", "work on a compute instance of OCI alone"];
    refused(&world, &["--auth", "instance_principal"], &expected);
    refused(
        &world,
        &["--auth", "resource_principal"],
        &["OCI_RESOURCE_PRINCIPAL_VERSION is not set", "hint: resource principals are there for"],
    );
    refused(
        &world,
        &["--auth", "instance_obo_user"],
        &["there is no delegation_token_file", "OCI_CLI_DELEGATION_TOKEN_FILE"],
    );
    refused(&world, &["--auth", "security_token"], &["the profile names no security_token_file"]);
    assert_eq!(calls(&world).len(), 0, "nothing was sent");
}

#[test]
fn a_resource_has_its_token_as_a_value_or_in_a_file() {
    let mut world = World::signed();
    let files = principals(&world);
    let values: Vec<(String, String)> = files
        .iter()
        .map(|(name, value)| match std::fs::read_to_string(value) {
            Ok(text) => (name.clone(), text),
            Err(_) => (name.clone(), value.clone()),
        })
        .collect();
    let with = |world: &mut World, entries: &[(String, String)], change: (&str, Option<&str>)| {
        let kept = entries.iter().filter(|(name, _)| name != change.0);
        let added = change.1.map(|value| (change.0, value.to_owned()));
        world.set_environment(kept.map(|(name, value)| (name.as_str(), value.clone())).chain(added));
    };
    for entries in [&files, &values] {
        with(&mut world, entries, ("", None));
        assert_eq!(planned_by(&world, &["--auth", "resource_principal"]), one("resource"));
    }
    for (variable, value, expected) in [
        (
            "OCI_RESOURCE_PRINCIPAL_VERSION",
            Some("1.1"),
            "`1.1`: deployctl knows resource principals of version 2.2",
        ),
        (
            "OCI_RESOURCE_PRINCIPAL_VERSION",
            Some("3.0"),
            "`3.0`: deployctl knows resource principals of version 2.2",
        ),
        ("OCI_RESOURCE_PRINCIPAL_RPST", None, "OCI_RESOURCE_PRINCIPAL_RPST is not set"),
        ("OCI_RESOURCE_PRINCIPAL_RPST", Some("x"), "OCI_RESOURCE_PRINCIPAL_RPST: it is not a security token"),
        ("OCI_RESOURCE_PRINCIPAL_RPST", Some("/nowhere/rpst"), "cannot read /nowhere/rpst"),
        ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", None, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM is not set"),
        ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", Some("x"), "PRIVATE_PEM: there is no private key in it"),
    ] {
        with(&mut world, &values, (variable, value));
        refused(&world, &["--auth", "resource_principal"], &[expected]);
    }
    let over = world.token(&json!({"issue": "resource", "lifetime-seconds": -60}));
    with(&mut world, &values, ("OCI_RESOURCE_PRINCIPAL_RPST", Some(&over)));
    refused(&world, &["--auth", "resource_principal"], &["token of OCI_RESOURCE_PRINCIPAL_RPST expired at "]);
}

#[test]
fn the_metadata_service_and_the_one_that_gives_tokens_may_stumble() {
    let mut world = World::signed();
    on_oci(&mut world);
    world.fault(&json!({"path": "/opc/v2/identity/cert.pem", "effect": "503", "times": 2}));
    world.fault(&json!({"path": "/opc/v2/identity/key.pem", "effect": "not-found", "times": 1}));
    world.fault(&json!({"path": "/v1/x509", "effect": "500", "times": 1}));
    assert_eq!(planned_by(&world, &["--auth", "instance_principal"]), one("instance"));
    assert_eq!(n_federations(&world), 2);
    world.fault(&json!({"path": "/v1/x509", "effect": "503", "times": 3}));
    world.run(&["plan", "web.json", "--auth", "instance_principal"]).expect(75);
    assert_eq!(n_federations(&world), 5);
    world.fault(&json!({"path": "/v1/x509", "effect": "401"}));
    refused(
        &world,
        &["--auth", "instance_principal"],
        &["Auth GetSecurityToken answered 401 NotAuthenticated"],
    );
    assert_eq!(n_federations(&world), 6, "a refusal is not repeated");
}

#[test]
fn a_wrong_clock_is_told_in_every_way() {
    let mut world = World::signed();
    on_oci(&mut world);
    world.post("/sandbox/skew", &json!({"seconds": -1200}));
    for flags in [
        &["--auth", "api_key"][..],
        &["--auth", "instance_principal"],
        &["--auth", "resource_principal"],
        &["--profile", "SESSION"],
    ] {
        let first = calls(&world).len();
        refused(&world, flags, &["401 NotAuthenticated", "this machine's clock is off by 20 minutes"]);
        assert_eq!(calls(&world).len(), first + 1, "a token is not the clock's fault: {flags:?}");
    }
}

#[test]
fn no_token_and_no_key_is_told() {
    // Every token begins with the JSON of its header, in base64. The first three letters alone would not do: sealed texts are
    // base64 too, and sometimes contain them by chance.
    const HEAD: &str = "eyJhbGciOi";
    let mut world = World::signed();
    on_oci(&mut world);
    let file = world.write_deployment(&world.deployment());
    let mut texts = Vec::new();
    for flags in [
        &["--auth", "instance_principal"][..],
        &["--profile", "DELEGATED"],
        &["--profile", "SESSION"],
        &["--auth", "resource_principal"],
    ] {
        let ran = world.run(&[&["start", file, "-vv"], flags].concat()).expect(0);
        texts.push((format!("{flags:?}"), (ran.stdout + &ran.stderr).into_bytes()));
    }
    for entry in std::fs::read_dir(world.path(".local/state/deployctl")).expect("the journal's folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            texts.push((path.display().to_string(), std::fs::read(&path).expect("readable")));
        }
    }
    let token = std::fs::read_to_string(world.path(".oci/sessions/SESSION/token")).expect("it is there");
    assert!(token.starts_with(HEAD), "{token}");
    for (what, text) in texts {
        for secret in [HEAD, "PRIVATE KEY"] {
            let is_told = text.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_told, "{what} tells {secret}:\n{}", String::from_utf8_lossy(&text));
        }
    }
}
