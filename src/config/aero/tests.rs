use super::*;

fn env(name: &str) -> Option<String> {
    (name == "TAG").then(|| "2.4".to_owned())
}

fn evaluate(text: &str) -> Result<Node, Problem> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    file("main.edn", text);
    file("circle.edn", "#include \"circle.edn\"");
    file("note.txt", "hello");
    std::fs::create_dir(folder.path().join("sub")).expect("made");
    file("sub/far.edn", "{:deeper #include \"deeper.edn\"}");
    file("sub/deeper.edn", "{:name #include \"../scalar.edn\"}");
    file("scalar.edn", "\"deep\"");
    file("base.edn", "{:shape \"S\" :inner #ref [:shape] :far #include \"sub/far.edn\"}");
    file("round.edn", "{:a #include \"sub/../round.edn\"}");
    super::file(&folder.path().join("main.edn"), &Surroundings { profile: "prod", env: &env })
}

fn text(form: &str) -> String {
    let node = evaluate(&format!(
        "{{:x {form} :name \"web\" :included #include \"base.edn\"
        :deep {{:port 80 :again ^:ref [:deep :port]}}}}"
    ))
    .expect(form);
    node.get("x").map_or_else(|| "nil".to_owned(), |x| string_of(x).expect("a scalar"))
}

#[test]
fn each_tag_gives_what_aero_gives() {
    for (form, expected) in [
        ("#env TAG", "2.4"),
        ("#env NONE", "nil"),
        ("#or [#env NONE \"b\" #file \"missing\"]", "b"),
        ("#join [\"httpd:\" #env TAG]", "httpd:2.4"),
        ("#envf [\"v%s\" TAG]", "v2.4"),
        ("#profile {:dev #file \"missing\" :prod 1 :default 2}", "1"),
        ("#profile {#{:test :prod} 1 :default 2}", "1"),
        ("#profile {:dev 1 :default 2}", "2"),
        ("#long \"80\"", "80"),
        ("#double \"1.5\"", "1.5"),
        ("#boolean \"True\"", "true"),
        ("#keyword \"a\"", "a"),
        ("#ref [:name]", "web"),
        ("#ref [:deep :port]", "80"),
        ("#file \"note.txt\"", "hello"),
        ("#to-b64 #file \"note.txt\"", "aGVsbG8="),
        ("#base64 \"note.txt\"", "aGVsbG8="),
        ("#to-b64 #from-b64 \"/w==\"", "/w=="),
        ("#str #from-b64 \"aGVsbG8=\"", "hello"),
        ("#or [#ref [:missing] #ref [:deep :missing] \"c\"]", "c"),
        ("#or [#env NONE #prop x]", "nil"),
        ("^:ref [:name]", "web"),
        ("#ref [:deep :again]", "80"),
        ("#ref [:included :inner]", "S"),
        ("#join [#ref [:included :far :deeper :name] \"!\"]", "deep!"),
        ("#to-edn {:a [1 \"x\"]}", "{:a [1 \"x\"]}"),
        ("#read-edn \"7\"", "7"),
        ("#from-edn \"#join [\\\"a\\\" #env TAG]\"", "a2.4"),
        ("#random [5 5]", "5"),
        ("#uuid \"0f0f\"", "0f0f"),
        ("#user {:ann 1 :default 2}", "2"),
        ("#long nil", "nil"),
        ("#profile {:other 1}", "nil"),
        ("#include #join [\"scal\" \"ar.edn\"]", "deep"),
    ] {
        assert_eq!(text(form), expected, "{form}");
    }
}

#[test]
fn maps_are_merged_and_included() {
    let node = evaluate("{:x #merge [#include \"base.edn\" {:shape \"T\" :more 1}]}").expect("EDN");
    let x = node.get("x").expect("merged");
    assert_eq!(x.get("shape").and_then(Node::text), Some("T"));
    assert_eq!(x.get("inner").and_then(Node::text), Some("S"));
    assert!(x.get("more").is_some());
}

#[test]
fn refs_that_multiply_are_an_error_and_not_a_machine_without_memory() {
    let doubled = (1..40).map(|n| format!(":a{n} [#ref [:a{0}] #ref [:a{0}]]", n - 1));
    let text = doubled.collect::<Vec<_>>().join(" ");
    let problem = evaluate(&format!("{{:a0 [1 1] {text}}}")).expect_err("too many");
    assert!(problem.message.contains("multiply"), "{problem}");
}

#[test]
fn what_aero_lets_pass_fails_here_with_its_place() {
    for (form, expected) in [
        ("{:x #include \"none.edn\"}", "there is no file"),
        ("{:x #file \"none.txt\"}", "there is no file"),
        ("{:x #ref [:nothing]}", "leads nowhere"),
        ("{:x #ref [:y] :y #ref [:x]}", "refs go in a circle: [:y] -> [:x] -> [:y]"),
        ("{:x #include \"circle.edn\"}", "includes go in a circle"),
        ("{:x #include \"round.edn\"}", "includes go in a circle"),
        ("{:x #or [#include \"none.edn\" 1]}", "there is no file"),
        ("{:x #read-edn \"#env A\"}", "found #env"),
        ("{:x #from-edn \"{:a\"}", "the text at 1:1 is not closed"),
        ("{:x #pubkey \"none\"}", "expected a public key"),
        ("{:x #from-b64 \"%\"}", "expects base64"),
        ("{:x #random []}", "something in it"),
        ("{:x #profil {}}", "did you mean #profile?"),
        ("{:x #long \"eighty\"}", "expected a whole number, found `eighty`"),
    ] {
        let problem = evaluate(form).expect_err(form);
        assert!(problem.to_string().contains(expected), "{form}: {problem}");
        assert!(problem.place.position.is_some(), "{form}: {problem}");
    }
}
