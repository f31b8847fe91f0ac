use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Node, Problem> {
    super::read(text, &Position::default())
}

#[test]
fn every_form_of_edn_is_read() {
    for (text, expected) in [
        ("nil", "nil"),
        ("[true false]", "[true false]"),
        ("(1, 2 3)", "(1 2 3)"),
        ("[42N -0x1F 017 2r101 36rZZ +7]", "[42N -31 15 5 1295 7]"),
        ("[1.5 -2e3 1.5M 1M]", "[1.5 -2000.0 1.5M 1M]"),
        (r#""a\tb\"\\\u0041\101\ud83d\ude00""#, "\"a\\tb\\\"\\\\AA😀\""),
        (r"[\a \newline \space \u0041 \o101 \( \\]", r"[\a \newline \space \A \A \( \\]"),
        ("{:a 1 :b/c sym}", "{:a 1, :b/c sym}"),
        ("#{:a #{1}}", "#{:a #{1}}"),
        ("#:aws{:region 1 :other/x 2 :_/y 3 \"s\" 4}", "{:aws/region 1, :other/x 2, :y 3, \"s\" 4}"),
        ("[1 #_ 2 #_ #_ 3 4 5 #_ [6 7] ; comment\n]", "[1 5]"),
        ("#inst \"2026-01-01\" ; end", "#inst \"2026-01-01\""),
        ("#env HOME", "#env HOME"),
        ("^:replace [1]", "[1]"),
        ("{a 1 :a 2 \"a\" 3 \\a 4}", "{a 1, :a 2, \"a\" 3, \\a 4}"),
        ("#!shebang\n:a", ":a"),
        ("[-a + - .5x :a.b/c-d? <=>]", "[-a + - .5x :a.b/c-d? <=>]"),
    ] {
        assert_eq!(print(&read(text).expect(text)), expected, "{text}");
    }
}

#[test]
fn metadata_is_kept_as_flags() {
    assert_eq!(read("^:ref [:a]").expect("EDN").flags, ["ref"]);
    assert_eq!(read("^{:replace true :prepend false} {}").expect("EDN").flags, ["replace"]);
    assert_eq!(read("^:a ^:b []").expect("EDN").flags, ["b", "a"]);
    assert!(read("^String []").expect("EDN").flags.contains(&"String".to_owned()));
}

#[test]
fn each_part_has_its_place() {
    let node = read("{:a\n  {:image-url \"x\\ny\"} ; a comment\n}").expect("EDN");
    let inner = node.get("a").and_then(|a| a.get("image-url")).expect("the key");
    assert_eq!(inner.text(), Some("x\ny"));
    assert_eq!(inner.place.position, Some((2, 15)));
}

#[test]
fn what_does_not_read_says_where_and_what_was_expected() {
    for (text, at, expected) in [
        ("{:a 1", (1, 1), "expected `}` before the end"),
        ("{:a\n [1 2)}", (2, 6), "expected `]`, found `)`"),
        ("{:a 1 :a 2}", (1, 7), "the key `:a` is there twice"),
        ("{:a 1 :b}", (1, 7), "a key without a value"),
        ("#{1 1}", (1, 5), "twice in a set"),
        ("{:a 1/0}", (1, 5), "is not a number"),
        ("{:a 1e999}", (1, 5), "too large"),
        ("{:a 08}", (1, 5), "is not a number"),
        ("{:a 1} {:b 2}", (1, 8), "a second form"),
        ("{:a 1}}", (1, 7), "closes nothing"),
        ("\"abc", (1, 1), "is not closed"),
        (r#""\q""#, (1, 4), "is not an escape"),
        (r#""\u12g4""#, (1, 8), "four hexadecimal digits"),
        ("[1a]", (1, 2), "is not a number"),
        ("::a", (1, 1), "two colons"),
        ("##Inf", (1, 2), "symbolic"),
        ("#\"a.*\"", (1, 2), "regular expression"),
        ("'a", (1, 1), "means nothing"),
        ("[#_]", (1, 4), "after #_"),
        ("", (1, 1), "is empty"),
        (r"\foo", (1, 5), "is not a character"),
    ] {
        let problem = read(text).expect_err(text);
        assert!(problem.message.contains(expected), "{text}: {problem}");
        assert_eq!(problem.place.position, Some(at), "{text}: {problem}");
    }
}

#[test]
fn a_file_of_brackets_is_an_error() {
    for opening in ["[", "{", "(", "#{", "#x ", "#_", "#:a ", "^", "^:a ", "#^", "{:a ", "#_ #x ["] {
        let problem = read(&opening.repeat(100_000)).expect_err(opening);
        assert!(problem.message.contains("deep"), "{opening}: {problem}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        drop(read(&text));
    }

    #[test]
    fn text_that_looks_like_edn_is_read_or_refused(text in "[\\[\\](){}#^:_;\"\\\\a-c0-9/.NMer+, \n-]{0,40}") {
        if let Ok(node) = read(&text) {
            // The printed text reads as the same form.
            let printed = print(&node);
            let again = read(&printed).map(|node| print(&node));
            prop_assert_eq!(again.as_ref().ok(), Some(&printed), "{} gives {}", text, printed);
        }
    }
}
