//! A number within a text is part of a name: another spelling is another image.

use crate::harness::World;

#[test]
fn the_image_that_is_deployed_is_the_one_that_is_written() {
    let world = World::hurried();
    let edn = world.deployment().to_string().replace("\":", "\" ");
    world.write("vars.yaml", "tag: 2.10\n");
    for (tag, expected) in [
        ("2.0", "httpd:2.0"),
        ("2.50M", "httpd:2.50"),
        ("5N", "httpd:5"),
        ("#double \"3\"", "httpd:3.0"),
        ("#ref [:x-vars :tag]", "httpd:2.10"),
    ] {
        let image = format!("#join [\"docker.io/library/httpd:\" {tag}]");
        let edn = edn.replace("\"docker.io/library/httpd:2\"", &image);
        world.write("web.edn", &edn.replacen('{', "{\"x-vars\" #include \"vars.yaml\" ", 1));
        let shown = world.run(&["show", "web.edn", "--output", "json"]).expect(0).json();
        let image = &shown["ci-config"]["containers"][0]["imageUrl"];
        assert_eq!(image, &format!("docker.io/library/{expected}"), "{tag}");
    }
    world.run(&["start", "web.edn"]).expect(0);
    assert_eq!(world.versions(), ["2.10"], "the last of them");
}

#[test]
fn a_number_where_a_text_is_wanted_is_refused_and_not_guessed() {
    let world = World::hurried();
    for tag in ["2.10", "1e3", "0x1F", "1_000", "yes"] {
        let mut deployment = world.deployment();
        deployment["ci-config"]["containers"][0]["image-url"] = "IMAGE".into();
        // JSON is YAML.
        world.write("web.yaml", &deployment.to_string().replace("\"IMAGE\"", tag));
        let refused = world.run(&["show", "web.yaml"]).expect(2);
        assert!(refused.stderr.contains("image-url: expected a string, found"), "{tag}: {}", refused.stderr);
    }
}
