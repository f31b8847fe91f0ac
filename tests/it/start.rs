//! What `start` and `plan` do when all goes well.

use serde_json::{Value, json};

use crate::harness::World;

#[test]
fn a_redeploy_replaces_the_instance_and_leaves_nothing_behind() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    let ran = world.run(&["start", file, "--output", "json"]).expect(0);

    let run = ran.json();
    assert_eq!(run["status"], "succeeded");
    assert_eq!(run["old_instance_id"], world.state()["seed"]["webserverId"]);
    assert_eq!(world.versions(), ["2"]);
    let backends = world.backends("http");
    assert_eq!(backends.len(), 1);
    assert_eq!(backends[0]["drain"], false);
    let names: Vec<&str> =
        run["steps"].as_array().expect("steps").iter().filter_map(|step| step["name"].as_str()).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    find-load-balancer
    find-old-instance
    find-old-backends
    create-instance
    await-address
    register-backend
    await-work-request
    await-instance
    await-backends
    shift-set
    await-shift
    note-service
    await-drain
    remove-backend
    await-work-request
    retire-instance
    await-retirement
    ");
    let history = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(history, run, "what start prints is what history prints");
}

/// The deployment in the old library's README as one file, with the sandbox's ids.
fn readme_deployment(state: &Value, version: &str) -> String {
    let text = r#"
{:config-file "config.edn"
 :ci-config {:display-name "webserver"
             :availability-domain "AD"
             :compartment-id "COMPARTMENT"
             :shape "CI.Standard.A1.Flex"
             :shape-config {:ocpus 1 :memory-in-g-bs 1}
             :vnics [{:subnet-id "SUBNET"}]
             :freeform-tags {"env" "prod"}
             :containers [{:display-name "apache" :image-url "docker.io/httpd:VERSION"}]}
 :ci-filter {:display-name "webserver" :lifecycle-state "ACTIVE" :freeform-tags {:env "prod"}}
 :lb-filter {:freeform-tags {:env "prod"}}
 :backends [{:port 80 :backend-set "http"}]
 :drain-delay "100ms" :poll-interval "50ms" :min-ready 0}"#;
    let id = |name: &str| state[name].as_str().expect("an id");
    text.replace("AD\"", &format!("{}\"", id("availabilityDomain")))
        .replace("COMPARTMENT", id("compartmentId"))
        .replace("SUBNET", id("subnetId"))
        .replace("VERSION", version)
}

const YAML: &str = r#"
config-file: config.edn
ciConfig:
  displayName: webserver
  availabilityDomain: "sbox:SANDBOX-AD-1"
  compartmentId: ocid1.compartment.oc1..sandbox
  shape: CI.Standard.A1.Flex
  shapeConfig: {ocpus: 1, memoryInGBs: 1}
  vnics: [{subnetId: ocid1.subnet.oc1.iad.sandbox}]
  freeformTags: {env: prod}
  containers: [{displayName: apache, imageUrl: "docker.io/httpd:2.5"}]
ciFilter: {displayName: webserver, lifecycleState: ACTIVE, freeformTags: {env: prod}}
lbFilter: {freeformTags: {env: prod}}
backends: [{port: 80, backendSet: http}]
drainDelay: 100ms
pollInterval: 50ms
minReady: 0s
"#;

#[test]
fn the_old_librarys_deployment_works_in_edn_yaml_and_json_one_after_the_other() {
    let world = World::new();
    let key = std::fs::read_to_string(world.path(".oci/sandbox_key.pem")).expect("the sandbox wrote it");
    let profile = std::fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    let fingerprint =
        profile.lines().find_map(|line| line.strip_prefix("fingerprint=")).expect("a fingerprint");
    world.write("key.pem", &key);
    world.write(
        "config.edn",
        &format!(
            r#"{{:user-ocid "ocid1.user.oc1..sandbox" :tenancy-ocid "ocid1.tenancy.oc1..sandbox"
                 :compartment-id "ocid1.compartment.oc1..sandbox" :key-fingerprint "{fingerprint}"
                 :private-key #privkey #file "key.pem" :region "us-ashburn-1"}}"#
        ),
    );
    std::fs::remove_dir_all(world.path(".oci")).expect("the profile is not needed");

    world.write("web.edn", &readme_deployment(&world.state(), "2.4"));
    world.run(&["start", "web.edn"]).expect(0);
    assert_eq!(world.versions(), ["2.4"]);
    world.write("web.yaml", YAML);
    world.run(&["start", "web.yaml"]).expect(0);
    assert_eq!(world.versions(), ["2.5"]);
    let yaml: Value =
        serde_json::from_str(&world.run(&["show", "web.yaml", "--output", "json"]).expect(0).stdout)
            .expect("what is shown is JSON");
    let mut as_json = json!({"config-file": "config.edn", "ci_config": yaml["ci-config"]});
    as_json["ci_config"]["containers"][0]["imageUrl"] = json!("docker.io/httpd:2.6");
    as_json["ci_filter"] = yaml["ci-filter"].clone();
    as_json["lb_filter"] = yaml["lb-filter"].clone();
    as_json["drain_delay"] = json!(0.1);
    as_json["poll_interval"] = json!("50ms");
    as_json["min_ready"] = json!(0);
    world.write("last.json", &as_json.to_string());
    world.run(&["start", "last.json"]).expect(0);
    assert_eq!(world.versions(), ["2.6"]);
    assert_eq!(world.backends("http").len(), 1, "without `backends` the old instance's own set is used");
}

#[test]
fn a_plan_shows_the_calls_of_the_run_and_changes_nothing() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    let planned = world.run(&["plan", file, "--output", "json"]).expect(0).json();
    assert_eq!(world.changes(), Vec::<String>::new());
    let of = |steps: &Value, wanted: &dyn Fn(&Value) -> bool| -> Vec<String> {
        let steps = steps.as_array().expect("steps").iter().filter(|step| wanted(step));
        steps.filter_map(|step| step["name"].as_str().map(ToOwned::to_owned)).collect()
    };
    let ran = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let not_a_wait = |step: &Value| step["name"] != "await-work-request" && step["name"] != "await-shift";
    assert_eq!(of(&planned["steps"], &not_a_wait), of(&ran["steps"], &not_a_wait));
    let create = &planned["steps"][3];
    assert_eq!(create["effect"], "mutation");
    assert_eq!(create["request"]["path"], "/20210415/containerInstances");
    assert_eq!(create["request"]["body"]["containers"][0]["environmentVariables"]["GREETING"], "***");
}

#[test]
fn several_sets_several_containers_and_a_set_that_is_missing() {
    let mut world = World::new();
    // The rollback leaves the set as empty as it was before.
    world.expects_violations = true;
    let mut deployment = world.deployment();
    let checker = json!({"protocol": "HTTP", "url-path": "/", "return-code": 200});
    deployment["backends"] = json!([
        {"port": 80, "backend-set": "http"},
        {"port": 9090, "backend-set": "admin"},
        {"port": 70, "backend-set": "fresh", "create": {"policy": "ROUND_ROBIN", "health-checker": checker}},
    ]);
    let sidecar = json!({"display-name": "sidecar", "image-url": "docker.io/library/busybox:1"});
    deployment["ci-config"]["containers"].as_array_mut().expect("containers").push(sidecar);
    let file = world.write_deployment(&deployment);
    let ran = world.run(&["start", file]).expect(0);
    assert!(ran.stderr.contains("warning: no listener uses the backend set `fresh`"), "{}", ran.stderr);
    for (set, port) in [("http", 80), ("admin", 9090), ("fresh", 70)] {
        let backends = world.backends(set);
        assert_eq!(backends.len(), 1, "{set}");
        assert_eq!((&backends[0]["port"], &backends[0]["drain"]), (&json!(port), &json!(false)), "{set}");
    }
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
    assert_eq!((world.backends("http").len(), world.backends("admin").len()), (1, 0));
    assert!(
        world.state()["loadBalancers"][0]["backendSets"]["fresh"].is_null(),
        "the set was ours to delete"
    );
}

#[test]
fn without_an_old_instance_nothing_is_drained_or_deleted() {
    let mut world = World::new();
    // The rollback of a first deployment leaves its set as empty as it was.
    world.expects_violations = true;
    let mut deployment = world.deployment();
    deployment["ci-filter"] = json!({"display-name": "nobody"});
    deployment["backends"] = json!([{"port": 9090, "backend-set": "admin"}]);
    let file = world.write_deployment(&deployment);
    let ran = world.run(&["start", file]).expect(0);
    assert!(ran.stderr.contains("none: nothing will be drained or deleted"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1", "2"]);
    assert_eq!(world.backends("admin").len(), 1);
    assert!(!world.changes().iter().any(|change| change.starts_with("DELETE")), "{:?}", world.changes());
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn an_old_instance_without_backends_is_replaced_all_the_same() {
    let mut world = World::new();
    // The instance serves nobody, and neither does its successor.
    world.expects_leftovers = true;
    let mut deployment = world.deployment();
    deployment["ci-config"]["display-name"] = json!("lonely");
    deployment["ci-filter"] = json!({"display-name": "lonely"});
    deployment["backends"] = json!([]);
    let file = world.write_deployment(&deployment);
    world.run(&["start", file]).expect(0);
    let ran = world.run(&["start", file, "--output", "json"]).expect(0).json();
    assert!(ran["old_instance_id"].is_string(), "the second run finds what the first one made");
    let alive =
        |instance: &&Value| instance["displayName"] == "lonely" && instance["lifecycleState"] == "ACTIVE";
    assert_eq!(world.state()["instances"].as_array().expect("instances").iter().filter(alive).count(), 1);
}

#[test]
fn the_old_instance_can_be_stopped_or_kept() {
    for (mode, state) in [("stop", "INACTIVE"), ("keep", "ACTIVE")] {
        let world = World::new();
        let mut deployment = world.deployment();
        deployment["old-instance"] = json!(mode);
        let file = world.write_deployment(&deployment);
        world.run(&["start", file]).expect(0);
        let old = world.state()["seed"]["webserverId"].clone();
        let found = world.state()["instances"]
            .as_array()
            .expect("instances")
            .iter()
            .find(|one| one["id"] == old)
            .cloned();
        assert_eq!(found.expect("the old one")["lifecycleState"], state, "{mode}");
        world.run(&["rollback", "latest"]).expect(0);
        assert_eq!(world.versions(), ["1"], "{mode}");
        assert_eq!(world.backends("http").len(), 1, "{mode}");
    }
}

#[test]
fn destroy_drains_removes_and_deletes_one_instance() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    let bystanders = world.backends("other");
    world.run(&["start", file]).expect(0);
    let file_of_two = {
        let mut second = world.deployment();
        second["name"] = json!("second");
        second["ci-filter"] = json!({"display-name": "nobody"});
        second["first"] = json!(true);
        world.write("second.json", &second.to_string());
        "second.json"
    };
    // With another `--env` it is another deployment, which may serve beside the first one.
    let start = ["start", file_of_two, "--env", "second", "--output", "json"];
    let second = world.run(&start).expect(0).json();
    let id = second["new_instance_id"].as_str().expect("an id");
    world.run(&["destroy", file, "--id", id]).expect(0);
    assert_eq!(world.versions(), ["2"]);
    assert_eq!(world.backends("http").len(), 1);
    assert_eq!(world.backends("other"), bystanders);
}
