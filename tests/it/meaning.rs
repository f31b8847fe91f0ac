//! Input that looks like a variable or a tag, or that means something else than it says: it is replaced if the file asks for
//! that, warned about if the file does not, and refused if it cannot be right.

use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};

use crate::harness::World;

/// A deployment as YAML, with `image` and `argument` exactly as given.
fn yaml(world: &World, head: &str, image: &str, argument: &str) -> String {
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["image-url"] = json!("IMAGE");
    deployment["ci-config"]["containers"][0]["arguments"] = json!(["ARGUMENT"]);
    // JSON is YAML.
    let text = serde_json::to_string_pretty(&deployment).expect("JSON");
    let text = text.replacen('{', &format!("{{{head}"), 1);
    text.replace("\"IMAGE\"", image).replace("\"ARGUMENT\"", argument)
}

fn container(world: &World, args: &[&str]) -> Value {
    let plan = world.run(&[&["plan"][..], args, &["--output", "json"]].concat()).expect(0).json();
    let steps = plan["steps"].as_array().expect("steps");
    let create = steps.iter().find(|step| step["name"] == "create-instance").expect("it creates");
    create["request"]["body"]["containers"][0].clone()
}

#[test]
fn variables_are_replaced_in_a_file_that_says_so() {
    let mut world = World::hurried();
    world.set_environment([("TAG", "2".to_owned()), ("TOKEN", "open-sesame".to_owned())]);
    for name in ["web.yaml", "web.json"] {
        let text = yaml(
            &world,
            "\"interpolate\": true,",
            "\"docker.io/httpd:${TAG}\"",
            "\"${TOKEN} ${NONE:-$${PORT}} ${EMPTY:-d}\"",
        );
        world.write(name, &text);
        let shown = world.run(&["show", name]).expect(0);
        assert!(!shown.stdout.contains("sesame") && !shown.stderr.contains("warning"), "{}", shown.stdout);
        let container = container(&world, &[name]);
        assert_eq!(container["imageUrl"], "docker.io/httpd:2");
        assert_eq!(container["arguments"], json!(["***"]), "what the environment told is secret");
    }
    // A part of a deployment has its own setting.
    world.write("image.yaml", "interpolate: true\nimage: httpd:${TAG}\n\"${TAG}\": kept\n");
    world.write("image.edn", r#"{:interpolate true :image #join ["httpd:" "${TAG}"] :file #str "${TAG}"}"#);
    for file in ["image.yaml", "image.edn"] {
        let included = format!(
            "{{:name \"web\" :x-image #include \"{file}\" :lb-filter {{:id #ref [:x-image :image]}}}}"
        );
        world.write("part.edn", &included);
        let problems = world.run(&["validate", "part.edn", "--output", "json"]).expect(2).json();
        let paths: Vec<&str> = problems["problems"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|it| it["path"].as_str())
            .collect();
        assert_eq!(paths, ["ci-config", "ci-filter"], "{problems}");
    }
    world.run(&["start", "web.yaml"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
    let made = world.web_servers().into_iter().find(|one| one["version"] == "2").expect("the new one");
    let made = world.get(&format!("/20210415/containerInstances/{}", made["id"].as_str().expect("an id")));
    let made = world.get(&format!(
        "/20210415/containers/{}",
        made["containers"][0]["containerId"].as_str().expect("an id")
    ));
    assert_eq!(made["arguments"], json!(["open-sesame ${PORT} d"]), "{made}");
}

#[test]
fn what_cannot_be_replaced_is_refused_with_its_place_and_without_its_text() {
    let world = World::hurried();
    for (head, argument, expected) in [
        ("\"interpolate\": true,", "\"pw-${NONE}\"", "the variable NONE is not set"),
        (
            "\"interpolate\": true,",
            "\"pw-${NONE} ${MORE:-x}\", \"${OTHER} ${NONE} ${LAST}\"",
            "write `${NONE:-default}`; nor is OTHER, LAST",
        ),
        ("\"interpolate\": true,", "\"pw-${A%%b}\"", "begins neither `${NAME}` nor `${NAME:-default}`"),
        ("\"interpolate\": true,", "\"pw-${\"", "is not closed"),
        ("\"interpolate\": \"yes\",", "\"pw\"", "interpolate: expected true or false, found a string"),
    ] {
        for name in ["app.yaml", "app.json"] {
            world.write(name, &yaml(&world, head, "\"httpd:2\"", argument));
            let refused = world.run(&["start", name]).expect(2);
            assert!(
                refused.stderr.contains(expected) && refused.stderr.contains(&format!("{name}:")),
                "{}",
                refused.stderr
            );
            assert!(!refused.stderr.contains("pw-"), "{}", refused.stderr);
        }
    }
    world.write("web.edn", "#merge [{:interpolate true} {:name \"${A}\"}]");
    let late = world.run(&["validate", "web.edn"]).expect(2);
    assert!(late.stderr.contains("interpolate: says too late"), "{}", late.stderr);
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[test]
fn what_looks_like_a_variable_or_a_tag_is_sent_as_it_is_and_warned_about_once() {
    let mut world = World::hurried();
    world.set_environment([("TAG", "2".to_owned())]);
    let text = yaml(&world, "", "\"docker.io/httpd:2\"", "\"run --password s3cret ${PORT}\", \"#env TAG\"");
    for name in ["web.yaml", "web.json"] {
        world.write(name, &text);
        let validated = world.run(&["validate", name]).expect(0);
        let warnings: Vec<&str> = validated.stderr.lines().filter(|line| line.contains("warning")).collect();
        assert_eq!(warnings.len(), 1, "{}", validated.stderr);
        let warning = validated.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(warning.contains(&format!("{name}:")) && warning.contains("holds `${`"), "{warning}");
        assert!(warning.contains("the same goes for"), "{warning}");
        assert!(!validated.stderr.contains("s3cret"), "{}", validated.stderr);
    }
    let arguments = container(&world, &["web.yaml"])["arguments"].clone();
    assert_eq!(arguments, json!(["run --password s3cret ${PORT}", "#env TAG"]));
    // If the file says that the text is meant, there is no warning.
    world.write("web.json", &text.replacen('{', "{\"interpolate\": false,", 1));
    let validated = world.run(&["validate", "web.json"]).expect(0);
    assert!(!validated.stderr.contains("warning"), "{}", validated.stderr);
}

#[test]
fn a_tag_that_yaml_takes_for_a_comment_is_refused() {
    let world = World::hurried();
    for (text, place, what) in [
        (
            "name: web\nci-config: #include \"ci.edn\"\n",
            "web.yaml:2:1",
            "`ci-config` has no value: `#include`",
        ),
        ("name: web\nx:\n  \"a: b\" :  #env TAG\n", "web.yaml:3:3", "`a: b` has no value: `#env`"),
        ("name: web\nx:\n- 1\n- #env TAG\n- 2\n", "web.yaml:4:", "an item has no value: `#env`"),
    ] {
        world.write("web.yaml", text);
        let refused = world.run(&["validate", "web.yaml"]).expect(2);
        let said = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(place) && said.contains(what), "{said}");
    }
    // Comments that are not tags, and tags in the comments after a value.
    for text in
        ["x: # env of the app\n", "x: 1 #env TAG\n", "x: #env vars\n  a: 1\n", "x:\n#env TAG\n- null #or\n"]
    {
        world.write("web.yaml", &format!("name: web\n{text}"));
        let refused = world.run(&["validate", "web.yaml"]).expect(2);
        assert!(!refused.stderr.contains("has no value"), "{}", refused.stderr);
    }
}

#[test]
fn a_variable_that_is_no_text_is_not_taken_for_one_that_is_not_set() {
    let world = World::hurried();
    let odd = std::ffi::OsStr::from_bytes(b"a\xffb");
    world.write("web.edn", r#"{:name #or [#env ODD "web"]}"#);
    for (variable, expected) in [
        ("ODD", "web.edn:1:18: the variable ODD is not text"),
        ("OCI_CLI_REGION", "the variable OCI_CLI_REGION is no"),
    ] {
        let ran = world.command(&["validate", "web.edn"]).env(variable, odd).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn no_entry_of_a_map_is_lost() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({});
    deployment["ci-config"]["freeform-tags"] = json!({});
    let json = deployment.to_string();
    let edn = |variables: &str| {
        let text =
            json.replace("\"environment-variables\":{}", &format!("\"environment-variables\" {variables}"));
        // The separator of a key and its value in JSON becomes a blank in EDN.
        text.replace("\":", "\" ")
    };
    for (variables, expected) in [
        (r#"{8080 "x"}"#, "expected a name as key, found a number, 8080: put it in quotes"),
        (
            r#"{:env "a" "env" "b"}"#,
            "environment-variables.env: is there twice, as a keyword and as a string",
        ),
        (r#"{true "x"}"#, "expected a name as key, found a boolean, true: put it in quotes"),
        (r#"{nil "x"}"#, "expected a name as key, found nothing"),
    ] {
        world.write("web.edn", &edn(variables));
        let refused = world.run(&["validate", "web.edn"]).expect(2);
        assert!(refused.stderr.contains(expected), "{variables}: {}", refused.stderr);
    }
    world.write("web.edn", "{8080 1 :name \"web\"}");
    let refused = world.run(&["validate", "web.edn"]).expect(2);
    assert!(
        refused.stderr.contains("1:2: expected a name as key, found a number, 8080"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_would_flood_the_api_is_refused_by_its_name() {
    let world = World::hurried();
    for (name, value) in [
        ("initial-interval", json!("0s")),
        ("initial-interval", json!(0)),
        ("initial-interval", json!("1ns")),
        ("max-interval", json!(0.0)),
        ("multiplier", json!(0.5)),
        ("multiplier", json!(0)),
    ] {
        let mut deployment = world.deployment();
        deployment["retry"][name] = value.clone();
        let refused = world.run(&["start", world.write_deployment(&deployment)]).expect(2);
        assert!(refused.stderr.contains(&format!("retry.{name}: ")), "{name} {value}: {}", refused.stderr);
    }
    for (name, value) in
        [("poll-interval", json!(0)), ("poll-interval", json!("1us")), ("request-timeout", json!("1ns"))]
    {
        let mut deployment = world.deployment();
        deployment[name] = value;
        let refused = world.run(&["start", world.write_deployment(&deployment)]).expect(2);
        assert!(
            refused.stderr.contains(&format!("{name}: must be at least a millisecond")),
            "{}",
            refused.stderr
        );
    }
    // The YAML reader itself refuses what is not a number.
    world.write("web.yaml", "name: web\nretry:\n  multiplier: .nan\n");
    let refused = world.run(&["validate", "web.yaml"]).expect(2);
    assert!(refused.stderr.contains("web.yaml:3:"), "{}", refused.stderr);
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[test]
fn more_backends_than_there_is_room_for_are_refused_without_the_cloud() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    let backends = (1..=513).map(|port| json!({"port": port, "backend-set": "http"}));
    deployment["backends"] = backends.collect();
    let refused = world.run(&["validate", world.write_deployment(&deployment)]).expect(2);
    assert!(
        refused.stderr.contains("backends: has 513 entries, and a load balancer takes 512"),
        "{}",
        refused.stderr
    );
}

/// Drained backends count too.
#[test]
fn a_load_balancer_that_is_full_is_refused_before_anything_is_made() {
    let mut world = World::hurried();
    // Somebody else's backends fill it.
    world.expects_leftovers = true;
    let file = world.write_deployment(&world.deployment());
    let balancer = world.state()["loadBalancers"][0].clone();
    let sets = balancer["backendSets"].as_object().expect("sets");
    let n_there: usize = sets.values().map(|set| set["backends"].as_array().expect("backends").len()).sum();
    let stranger =
        |n: usize| json!({"ipAddress": format!("10.9.{}.{}", n / 250, n % 250), "port": 80, "drain": true});
    let full = json!({
        "name": "full", "policy": "ROUND_ROBIN", "healthChecker": {"protocol": "HTTP", "urlPath": "/"},
        "backends": (n_there..512).map(stranger).collect::<Vec<_>>(),
    });
    world.post(&format!("{}/backendSets", world.balancer()), &full);
    world.wait_until("it is full", || !world.state()["loadBalancers"][0]["backendSets"]["full"].is_null());
    for verb in [&["plan", file][..], &["start", file], &["validate", "--online", file]] {
        let refused = world.run(verb).expect(2);
        let said = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("the load balancer has 512 backends, drained ones among them"), "{said}");
    }
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn a_message_names_what_was_found() {
    let world = World::hurried();
    for (name, text, expected) in [
        ("web.edn", "{:name \"web\" :backends #{}}", "backends: expected a list, found a set"),
        ("web.edn", "{:name \"web\" :backends web}", "backends: expected a list, found a symbol"),
        ("web.edn", "{:name \"web\" :backends :web}", "backends: expected a list, found a keyword"),
        ("web.yaml", "name: web\n---\nname: web\n", "there is more than one document in it"),
    ] {
        world.write(name, text);
        let refused = world.run(&["validate", name]).expect(2);
        assert!(refused.stderr.contains(expected), "{text}: {}", refused.stderr);
        assert!(!refused.stderr.contains("from_str"), "{}", refused.stderr);
    }
    // A key below the home folder, written as everybody writes it.
    let mut deployment = world.deployment();
    let config = std::fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    let value = |key: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.expect("the profile is whole").to_owned()
    };
    deployment["config"] = json!({
        "user-ocid": value("user"), "tenancy-ocid": value("tenancy"), "key-fingerprint": value("fingerprint"),
        "private-key-file": "~/.oci/sandbox_key.pem", "region": "us-ashburn-1",
    });
    world.run(&["validate", world.write_deployment(&deployment)]).expect(0);
    deployment["config"]["user-ocid"] = json!("<user_ocid>");
    deployment["config"]["private-key-file"] = json!("~/no.pem");
    let refused = world.run(&["validate", world.write_deployment(&deployment)]).expect(2);
    for expected in
        ["config.user-ocid: is malformed: expected an OCID", "config.private-key-file: ", "no.pem"]
    {
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
    }
}
