//! Everything that users of `deploy-inst` have works unchanged: their `deps.edn`, their flags, their files.

use serde_json::Value;

use crate::harness::World;

/// A world without a profile. The credentials are the old library's.
fn world() -> World {
    let world = World::hurried();
    let profile = std::fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    let fingerprint =
        profile.lines().find_map(|line| line.strip_prefix("fingerprint=")).expect("a fingerprint");
    std::fs::copy(world.path(".oci/sandbox_key.pem"), world.path("key.pem")).expect("copied");
    world.write(
        "config.edn",
        &format!(
            r#"{{:user-ocid "ocid1.user.oc1..sandbox" :tenancy-ocid "ocid1.tenancy.oc1..sandbox"
                 :compartment-id "ocid1.compartment.oc1..sandbox" :key-fingerprint "{fingerprint}"
                 :private-key #privkey #file "key.pem" :region "us-ashburn-1"}}"#
        ),
    );
    std::fs::remove_dir_all(world.path(".oci")).expect("the profile is not needed");
    world
}

/// The instance of this version, as EDN.
fn instance(state: &Value, version: &str) -> String {
    let id = |name: &str| state[name].as_str().expect("an id").to_owned();
    format!(
        r#"{{:display-name "webserver" :availability-domain "{}" :compartment-id "{}" :shape "CI.Standard.A1.Flex"
            :shape-config {{:ocpus 1 :memory-in-g-bs 1}} :vnics [{{:subnet-id "{}"}}] :freeform-tags {{"env" "prod"}}
            :containers [{{:display-name "apache" :image-url "docker.io/httpd:{version}"}}]}}"#,
        id("availabilityDomain"),
        id("compartmentId"),
        id("subnetId")
    )
}

const CI_FILTER: &str =
    r#"{:display-name "webserver" :lifecycle-state "ACTIVE" :freeform-tags {:env "prod"}}"#;
const LB_FILTER: &str = r#"{:freeform-tags {:env "prod"}}"#;
const BACKENDS: &str = r#"[{:port 80 :backend-set "http"}]"#;

#[test]
fn a_deps_edn_is_deployed_by_its_aliases_and_resumed_with_its_credentials() {
    let world = world();
    let state = world.state();
    let config = std::fs::read_to_string(world.path("config.edn")).expect("written");
    let pem = std::fs::read_to_string(world.path("key.pem")).expect("written");
    world.write("ci.edn", &instance(&state, "#{}").replace("docker.io/httpd:#{}", "docker.io/httpd:3"));
    // One alias with everything, and one that changes a part.
    let inline = config.replace("#privkey #file \"key.pem\"", &format!("{pem:?}"));
    world.write(
        "deps.edn",
        &format!(
            r#"{{:deps {{com.monkeyprojects/deploy-inst {{:mvn/version "0.1.0"}}}}
                :aliases {{:deploy {{:exec-fn monkey.oci.deploy.cli/redeploy
                                    :exec-args {{:config {inline} :ci-config-file "ci.edn" :ci-filter {CI_FILTER}
                                                :lb-filter {LB_FILTER} :backends {BACKENDS} :drain-delay "300ms" :min-ready 0}}}}
                          :staging {{:exec-args {{:name "staging"}}}}}}}}"#
        ),
    );
    let args = ["deps.edn", "--alias", "deploy", "--alias", ":staging"];
    let shown = world.run(&[&["show"][..], &args].concat()).expect(0);
    assert!(shown.stdout.contains("staging"), "{}", shown.stdout);
    let killed = world.run_with(&[&["start"][..], &args].concat(), "await-drain/begun=return");
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["3"]);
    let history = world.run(&["history", "--output", "json"]).expect(0).json();
    assert_eq!(history["runs"][0]["name"], "staging");

    let refused = world.run(&["start", "deps.edn"]).expect(2);
    assert!(refused.stderr.contains("those with :exec-args are deploy, staging"), "{}", refused.stderr);
    let refused = world.run(&["plan", "deps.edn", "--alias", "stagin"]).expect(2);
    assert!(refused.stderr.contains("did you mean staging?"), "{}", refused.stderr);
    let refused = world.run(&["start", "ci.edn", "--alias", "deploy"]).expect(2);
    assert!(refused.stderr.contains("is for a deps.edn"), "{}", refused.stderr);
}

#[test]
fn a_deployment_is_put_together_from_flags_alone() {
    let world = world();
    let state = world.state();
    // EDN, JSON and YAML, each in its usual style.
    let common =
        ["--lb-filter", "freeformTags: {env: prod}", "--backends", r#"[{"port": 80, "backendSet": "http"}]"#];
    let instance_2 = instance(&state, "2");
    let first =
        ["start", "--config-file", "config.edn", "--ci-config", &instance_2, "--ci-filter", CI_FILTER];
    world.run(&[&first[..], &common].concat()).expect(0);
    assert_eq!(world.versions(), ["2"]);
    world.write("ci.edn", &instance(&state, "3"));
    let ci_filter = r#"{"display_name": "webserver", "freeformTags": {"env": "prod"}}"#;
    let second =
        ["plan", "--config-file", "config.edn", "--ci-config-file", "ci.edn", "--ci-filter", ci_filter];
    let plan = world.run(&[&second[..], &common].concat()).expect(0);
    assert!(plan.stdout.contains("httpd:3"), "{}", plan.stdout);
    let missing = world.run(&["start", "--config-file", "config.edn", "--ci-config", &instance_2]).expect(2);
    assert!(missing.stderr.contains("ci-filter: is missing"), "{}", missing.stderr);
    assert!(missing.stderr.contains("lb-filter: is missing"), "{}", missing.stderr);
}

#[test]
fn each_flag_wins_over_the_deployment_file() {
    let world = world();
    let state = world.state();
    world.write("ci.edn", &instance(&state, "5"));
    world.write("wrong.edn", "{}");
    world.write(
        "web.edn",
        &format!(
            r#"{{:config-file "wrong.edn" :ci-config {} :ci-filter {{:display-name "nobody"}} :lb-filter {{:id "none"}}
                :backends [{{:port 1 :backend-set "admin"}}] :drain-delay "300ms" :min-ready 0}}"#,
            instance(&state, "4")
        ),
    );
    let flags = [
        ["--config-file", "config.edn"],
        ["--ci-config-file", "ci.edn"],
        ["--ci-filter", CI_FILTER],
        ["--lb-filter", LB_FILTER],
        ["--backends", BACKENDS],
    ];
    world.run(&[&["start", "web.edn"][..], flags.as_flattened()].concat()).expect(0);
    assert_eq!(world.versions(), ["5"]);
    assert_eq!(world.backends("admin").len(), 0);
}
