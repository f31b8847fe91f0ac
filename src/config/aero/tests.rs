use super::*;
use crate::env::Env;

fn env() -> Env {
    let values = [
        ("TAG", "2.4"),
        ("USER", "ann"),
        ("HOSTNAME", "box"),
        ("WHICH", "TAG"),
        ("FORMAT", "%s%%"),
        ("EMPTY", ""),
        ("EVIL", "${TAG}"),
    ];
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Env::of(values).and_unreadable("ODD")
}

fn evaluate(text: &str) -> Result<Node, Problem> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let absolute = folder.path().to_str().expect("UTF-8");
    file("main.edn", &text.replace("FOLDER", absolute));
    file("circle.edn", "#include \"circle.edn\"");
    file("note.txt", "hello");
    file("empty.edn", "");
    file("comments.edn", "; nothing\n");
    file("lines.edn", "\"a\r\nb\rc\"");
    std::fs::create_dir(folder.path().join("sub")).expect("made");
    file("sub/far.edn", "{:deeper #include \"deeper.edn\"}");
    file("sub/deeper.edn", "{:name #include \"../scalar.edn\"}");
    file("scalar.edn", "\"deep\"");
    file("base.edn", "{:shape \"S\" :inner #ref [:shape] :far #include \"sub/far.edn\"}");
    std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).expect("written");
    file("tower.edn", &format!("{}1", "#str ".repeat(99)));
    file("secret.edn", "#env TAG");
    file("number.edn", "3.10M");
    file("number.yaml", "2.10");
    file(
        "numbers.yaml",
        "[&v 2.10, ' ', 1e3, ' ', 0x1F, ' ', 012, ' ', 1_000, ' ', 2.0, ' ', yes, ' ', 2024-01-10, ' ', *v ]",
    );
    file("numbers.json", "[2.10, \" 1\\\"2 \", 1e3, \" \", -0.50, \" \", 1E+2]");
    file("mixed.edn", "{:tag #env TAG :beside \"p\"}");
    file("round.edn", "{:a #include \"sub/../round.edn\"}");
    super::file(&folder.path().join("main.edn"), &Surroundings::new("prod", &env()))
}

fn text(form: &str) -> String {
    let node = evaluate(&format!(
        "{{:x {form} :numbers {{:d 2.0 :m 2.50M}} :merged #merge [{{:m 1}} #ref [:numbers]] :list [\"a\" #env TAG] :part :b :refer {{:a {{:b {{1234 \"deep\" \"s\" 1}}}}}} :number #long \"1234\" :name \"web\" :included #include \"base.edn\"
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
        ("#keyword \"a\"", ":a"),
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
        ("#uuid \"1-1-1-1-1\"", "00000001-0001-0001-0001-000000000001"),
        ("#inst \"2026-01-31\"", "2026-01-31"),
        ("#join [:a \"b\" sym]", ":absym"),
        ("#str :a/b", ":a/b"),
        ("#env :TAG", "nil"),
        ("#hostname {\"box\" 1 :default 2}", "1"),
        ("#hostname {:box 1 :default 2}", "2"),
        ("#user {:ann 1 :default 2}", "2"),
        ("#profile {\"prod\" 1 :default 2}", "2"),
        ("#profile {prod 3 \"default\" 4}", "nil"),
        ("#profile {:prod 1 #{:prod :test} 2}", "2"),
        ("#include \"empty.edn\"", "nil"),
        ("#or [#include \"comments.edn\" 3]", "3"),
        ("#include \"note.txt\"", "hello"),
        ("#include \"lines.edn\"", "a\nb\nc"),
        ("#or [#merge [nil nil] 1]", "1"),
        ("#merge []", "nil"),
        ("#from-edn \"#profile {:prod 1 :default 2}\"", "2"),
        ("#from-edn \"\"", "nil"),
        ("#read-edn \"; c\"", "nil"),
        ("#user {:ben 1 :default 2}", "2"),
        ("#user {\"ann\" 1 :default 2}", "1"),
        // The key is a set with a tag in it, and the branch is nil: one of Aero's own tests.
        ("#user {#{#env \"USER\"} nil :default 10}", "nil"),
        ("#ref [:refer :a #ref [:part] #ref [:number]]", "deep"),
        ("#or #profile {:prod [nil #env TAG] :dev [1]}", "2.4"),
        ("#or #ref [:list]", "a"),
        ("#join #ref [:list]", "a2.4"),
        ("#join #{\"a\"}", "a"),
        ("#profile #or [nil {:prod 7}]", "7"),
        ("#env #join [\"T\" \"AG\"]", "2.4"),
        ("#env #env WHICH", "2.4"),
        ("#env \"TAG\"", "2.4"),
        ("#envf [\"%s-%s 100%%\" FORMAT TAG]", "%s%%-2.4 100%"),
        ("#envf [\"%s|\" NONE]", "|"),
        // Numbers print as Clojure prints them, whatever their source.
        ("#join [\"httpd:\" 2.0]", "httpd:2.0"),
        ("#join [\"httpd:\" 2.50M \"-\" 5N \"-\" 0x1F \"-\" 1e10 \"-\" 1/2]", "httpd:2.50-5-31-1.0E10-1/2"),
        ("#str 2.50M", "2.50"),
        ("#str #double #env TAG", "2.4"),
        ("#str #double \"2\"", "2.0"),
        ("#to-edn [2.0 2.50M 5N 1.0E-5]", "[2.0 2.50M 5N 1.0E-5]"),
        ("#join [\"v\" #ref [:numbers :m]]", "v2.50"),
        ("#join [\"v\" #or [nil #ref [:numbers :d]]]", "v2.0"),
        ("#join [\"v\" #profile {:prod 2.50M}]", "v2.50"),
        ("#join [\"v\" #include \"number.edn\"]", "v3.10"),
        ("#join [\"v\" #ref [:merged :m]]", "v2.50"),
        ("#join [\"v\" #from-edn \"2.50M\" #read-edn \"1.0\"]", "v2.501.0"),
        // In YAML and JSON the spelling counts, because neither says how else a number would print.
        ("#join #include \"numbers.yaml\"", "2.10 1e3 0x1F 012 1_000 2.0 yes 2024-01-10 2.10"),
        ("#join #include \"numbers.json\"", r#"2.10 1"2 1e3 -0.50 1E+2"#),
        ("#to-edn #include \"number.yaml\"", "2.1"),
        ("#read-edn \"\"", "nil"),
        ("#read-edn #env EMPTY", "nil"),
        ("#read-edn nil", "nil"),
        ("#boolean nil", "false"),
        ("#boolean \"\"", "false"),
        ("#long 1234", "1234"),
        ("#keyword :foo/bar", ":foo/bar"),
        ("#profile {:other 1}", "nil"),
        ("#include #join [\"scal\" \"ar.edn\"]", "deep"),
        ("#include \"FOLDER/scalar.edn\"", "deep"),
        ("#file \"FOLDER/note.txt\"", "hello"),
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
fn a_text_that_looks_like_more_is_noted_where_it_is_taken_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("main.edn");
    std::fs::write(folder.path().join("run.sh"), "echo ${PORT}").expect("written");
    for (text, is_noted) in [
        ("{:x \"${A}\"}", true),
        ("{:x [{:y \"#env TAG\"}]}", true),
        ("{:x #join [\"a\" \"${A}\"]}", true),
        ("{:interpolate false :x \"${A}\"}", false),
        ("{:interpolate true :x \"${TAG}\"}", false),
        ("{\"${A}\" 1}", false),
        ("{:x #file \"run.sh\"}", false),
        ("{:x #from-edn \"#join [1 2]\"}", false),
        ("{:x #profile {:dev \"${A}\"}}", false),
        ("{:x \"a #env TAG\" :y \"$A\"}", false),
    ] {
        std::fs::write(&path, text).expect("written");
        let env = env();
        let surroundings = Surroundings::new("prod", &env);
        let node = super::file(&path, &surroundings).expect(text);
        assert_eq!(surroundings.warning().is_some(), is_noted, "{text}");
        assert!(node.get("interpolate").is_none(), "{text}");
    }
    // A replaced text is not replaced again, whichever way it is reached.
    let text = "{:interpolate true :a #env EVIL :b \"${EVIL}\" :c #ref [:b] :d #ref [:e :f] :e #merge [{:f \"${TAG}\"}]}";
    std::fs::write(&path, text).expect("written");
    let node = super::file(&path, &Surroundings::new("prod", &env())).expect(text);
    for (key, expected) in [("a", "${TAG}"), ("b", "${TAG}"), ("c", "${TAG}"), ("d", "2.4")] {
        let found = node.get(key).expect(key);
        assert_eq!((found.text(), found.holds_secret()), (Some(expected), true), "{key}");
    }
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
        ("{:x #env ODD}", "the variable ODD is not text in UTF-8"),
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
        ("{:x #privkey #env NONE}", "#privkey expects the key's text, found nothing"),
        ("{:x #privkey [\"pem\" #env NONE]}", "#privkey expects a pass phrase, found nothing"),
        ("{:x #uuid \"0f0f\"}", "#uuid expects one such as"),
        ("{:x #inst \"now\"}", "#inst expects a time such as"),
        ("{:x #random []}", "something in it"),
        ("{:x #profil {}}", "did you mean #profile?"),
        ("{:x #long #env NONE}", "expected a whole number, found nothing"),
        ("{:x #double \"inf\"}", "expected a number, found `inf`"),
        ("{:x #long 2.0}", "expected a whole number, found `2.0`"),
        ("{:x #double nil}", "expected a number, found nothing"),
        ("{:x #keyword #env NONE}", "expected a name, found nothing"),
        ("{:x #envf [\"%d\" TAG]}", "expected `%s` or `%%`"),
        ("{:x #envf [\"%s%s\" TAG]}", "more `%s` than"),
        ("{:x #file \"binary\"}", "#base64 reads any file"),
        ("{:x #include \"tower.edn\"}", "nested more than"),
        ("{:x #from-edn #env TAG :y #ref [:z]}", "leads nowhere"),
        ("{:x #long \"eighty\"}", "expected a whole number, found `eighty`"),
    ] {
        let problem = evaluate(form).expect_err(form);
        assert!(problem.to_string().contains(expected), "{form}: {problem}");
        assert!(problem.place.position.is_some(), "{form}: {problem}");
    }
}

#[test]
fn a_file_that_is_no_text_is_read_by_base64() {
    assert_eq!(text("#base64 \"binary\""), "//4=");
}

#[test]
fn what_the_environment_had_a_part_in_is_secret_by_whatever_way_it_came() {
    let is_secret = |form: &str| {
        let node = evaluate(&format!(
            "{{:x {form} :plain \"p\" :inner {{:tag #env TAG :beside \"p\"}} :far #include \"mixed.edn\"}}"
        ));
        node.expect(form).get("x").is_some_and(Node::holds_secret)
    };
    for form in [
        "#env TAG",
        "#join [\"a\" #env TAG]",
        "#join [\"a\" #ref [:inner :tag]]",
        "#join [\"a\" #include \"secret.edn\"]",
        "#join [\"a\" #ref [:far :tag]]",
        "#join [\"a\" #from-edn \"#env TAG\"]",
        "#to-edn #include \"mixed.edn\"",
        "#to-b64 #str #or [nil #env TAG]",
        "#profile {:prod #env TAG}",
        "{:deep [#env TAG]}",
        "#merge [{:a 1} #ref [:inner]]",
        "#read-edn #env TAG",
        "#double #env TAG",
    ] {
        assert!(is_secret(form), "{form}");
    }
    for form in [
        "#ref [:plain]",
        "#join [\"a\" #ref [:plain]]",
        "#ref [:inner :beside]",
        "#join [\"a\" #ref [:far :beside]]",
        "#user {#{#env USER} \"p\"}",
        "#or [#env NONE \"p\"]",
    ] {
        assert!(!is_secret(form), "{form}");
    }
}

#[test]
fn a_secret_text_that_does_not_read_is_not_repeated() {
    for tag in ["read-edn", "from-edn"] {
        let problem = evaluate(&format!("{{:x #{tag} #join [\"[1a \" #env TAG]}}")).expect_err(tag);
        assert!(
            problem.message.contains("does not read as EDN") && !problem.message.contains("1a"),
            "{problem}"
        );
    }
}

#[test]
fn nothing_that_leads_far_takes_the_stack_or_the_memory() {
    let chain: Vec<String> = (1..20_000).map(|n| format!(":a{n} #ref [:a{}]", n - 1)).collect();
    let joins: Vec<String> =
        (1..40).map(|n| format!(":a{n} #join [#ref [:a{0}] #ref [:a{0}]]", n - 1)).collect();
    let escapes = format!("{{:x {}\"\\\\\"}}", "#to-edn ".repeat(90));
    let large = format!(":a0 \"{}\"", "x".repeat(1 << 20));
    for text in [
        format!("{{:a0 1 {}}}", chain.join(" ")),
        format!("{{{large} {}}}", joins.join(" ")),
        format!("{{{large} :all [{}]}}", "#ref [:a0] ".repeat(50_000)),
        format!("{{:a0 [1 1] :all [{}]}}", "#include \"base.edn\" ".repeat(50_000)),
        escapes,
    ] {
        let problem = evaluate(&text).expect_err("it is too much");
        assert!(problem.message.contains("more than"), "{problem}");
    }
}

proptest::proptest! {
    #[test]
    fn any_document_is_evaluated_or_refused(
        forms in proptest::collection::vec(
            proptest::sample::select(vec![
                "#env ", "#envf ", "#prop ", "#or ", "#join ", "#profile ", "#hostname ", "#user ", "#include ", "#ref ",
                "#merge ", "#long ", "#double ", "#keyword ", "#boolean ", "#read-edn ", "#file ", "#to-b64 ",
                "#from-b64 ", "#privkey ", "#pubkey ", "#to-edn ", "#from-edn ", "#meta-merge ", "#deep-merge ", "#str ",
                "#random ", "#base64 ", "#inst ", "#uuid ", "#none ", "^:ref ", "^:replace ", "^:prepend ", "[", "]",
                "{", "}", "#{", "(", ")", ":a ", ":b ", ":default ", ":prod ", "TAG ", "\"main.edn\" ", "\"note.txt\" ",
                "\"%s\" ", "\"#ref [:a]\" ", "\"[:a {:b 1}]\" ", "\"aGk=\" ", "nil ", "true ", "0 ", "-7 ", "1.5 ",
                "[:a] ", "[:a :b] ", "{:a 1} ", "#_ ",
            ]),
            0..24,
        ),
    ) {
        drop(evaluate(&format!("{{:a {} :b [1 {{:b 2}}]}}", forms.concat())));
    }
}
