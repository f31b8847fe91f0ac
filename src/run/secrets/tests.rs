use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::*;

fn masked(secrets: &[&str], text: &str) -> String {
    secrets.iter().collect::<Secrets>().masked(text, Cut::End)
}

/// Secrets of many shapes.
const SHAPES: [&str; 9] = [
    "hunter2-planted",
    "pa ss/wo+rd=Ä&ö?",
    "line one of it\nline two of it\nthird line here",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n+/q8Zz==\n-----END KEY-----\n",
    "{\"user\": \"somebody\", \"token\": \"t0ken\\nwith \\\"quotes\\\"\"}",
    "postgres://ann:p%40ss-w0rd@db.internal/web?sslmode=no",
    "Server=db;Uid=ann;Pwd=Sup3rS3cret;",
    "C:\\secrets\\new\\token.txt",
    "日本語のパスワード",
];

fn percent_encoded(text: &str, is_upper: bool, is_form: bool) -> String {
    let encode = |byte: u8| match byte {
        b' ' if is_form => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte if is_upper => format!("%{byte:02X}"),
        byte => format!("%{byte:02x}"),
    };
    text.bytes().map(encode).collect()
}

/// The ways in which others write a secret that they were given.
fn written(secret: &str) -> Vec<String> {
    let spelt = |spell: fn(u8) -> String| secret.bytes().map(spell).collect::<Vec<_>>().concat();
    let json = serde_json::to_string(secret).expect("a string");
    let ascii: Vec<String> = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let mut all = vec![
        secret.to_owned(),
        secret.replace('\n', " "),
        secret.to_uppercase(),
        secret.to_lowercase(),
        json.clone(),
        serde_json::to_string(&json).expect("a string"),
        ascii.concat(),
        format!("{secret:?}"),
        percent_encoded(secret, true, false),
        percent_encoded(secret, false, false),
        percent_encoded(secret, true, true),
        percent_encoded(&percent_encoded(secret, true, false), true, false),
        secret.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;"),
        spelt(|byte| format!("{byte:02x}")),
        spelt(|byte| format!("{byte:02X}")),
        spelt(|byte| format!("\\x{byte:02x}")),
        STANDARD.encode(STANDARD.encode(secret)),
        STANDARD.encode(&json),
    ];
    for before in ["", "u", "u:", "u::"] {
        for after in ["", "x", "xx"] {
            let text = format!("{before}{secret}{after}");
            all.push(STANDARD.encode(&text));
            all.push(STANDARD_NO_PAD.encode(&text));
            all.push(URL_SAFE.encode(&text));
            all.push(URL_SAFE_NO_PAD.encode(&text));
        }
    }
    all
}

#[test]
fn every_shape_is_masked_in_every_form() {
    for secret in SHAPES {
        let secrets: Secrets = [secret].into_iter().collect();
        for form in written(secret) {
            let text = format!("it said <{form}>, and nothing else");
            let masked = secrets.masked(&text, Cut::End);
            let rest =
                masked.strip_prefix("it said ").and_then(|rest| rest.strip_suffix(", and nothing else"));
            let rest = rest.unwrap_or_else(|| panic!("{secret} as {form}: {masked}"));
            let shown: String = rest.replace(MASK, "").chars().filter(|c| c.is_alphanumeric()).collect();
            // The last characters of base64 may stay, and so may the names of JSON's keys.
            let shown =
                ["user", "USER", "token", "TOKEN"].iter().fold(shown, |shown, key| shown.replace(key, ""));
            assert!(shown.len() < SHORTEST, "{secret:?} as {form:?} shows {shown:?}: {masked}");
        }
    }
}

#[test]
fn a_secret_that_was_cut_is_masked_as_far_as_it_goes() {
    let secret = "hunter2-planted-secret";
    for n in SHORTEST..secret.len() {
        for end in ["", "…", "...", "\"", "\")", "\nmore"] {
            let text = format!("the value is {}{end}", &secret[..n]);
            assert_eq!(masked(&[secret], &text), format!("the value is ***{end}"), "{text}");
        }
        let text = format!("{} is its end", &secret[secret.len() - n..]);
        let secrets: Secrets = [secret].into_iter().collect();
        assert_eq!(secrets.masked(&text, Cut::Both), "*** is its end", "{text}");
        let cut: String = STANDARD.encode(format!("user:{secret}")).chars().take(12 + n).collect();
        assert!(!masked(&[secret], &format!("auth {cut}")).contains(&cut), "{cut}");
    }
    // Too short to reveal anything.
    assert_eq!(masked(&[secret], "the value is hun"), "the value is hun");
}

#[test]
fn parts_that_tell_something_are_secrets_themselves() {
    for (value, text, expected) in [
        ("postgres://ann:s3cr-et@db/web", "no role for s3cr-et", "no role for ***"),
        ("https://t0ken-t0ken@git.host/a", "bad credentials t0ken-t0ken", "bad credentials ***"),
        ("ann:s3cr-et@tcp(db:3306)/web", "s3cr-et is wrong", "*** is wrong"),
        ("https://a.b/c?sig=abcd1234&x=1", "abcd1234 has expired", "*** has expired"),
        ("https://hooks.b/services/T0AAAA/abcdefgh12345678", "no abcdefgh12345678", "no ***"),
        ("Server=db;Password=hunter2", "login hunter2 failed", "login *** failed"),
        ("-Dkey=hunter2 -Xmx64m", "unknown -Dkey=hunter2", "unknown ***"),
        ("a\nhunter2\nb", "line 2: hunter2", "line 2: ***"),
        ("db_password: \"hunter2\"\nother: x", "not hunter2", "not ***"),
        ("eyJ0b2tlbiI6ICJodW50ZXIyIn0=", "token hunter2 ended", "token *** ended"),
        ("p%40ssword", "p@ssword is wrong", "*** is wrong"),
    ] {
        assert_eq!(masked(&[value], text), expected, "{value}");
    }
}

#[test]
fn what_tells_nothing_is_left_as_it_is() {
    let values = ["80", "true", "error", "yes", "", "a b"];
    let text = "an error: it is true that port 80 of a b said yes";
    assert_eq!(masked(&values, text), text);
    // The words of prose in a file are no secrets, but its lines are.
    let file = "server {\n  listen 80;\n  location / { proxy_pass backend; }\n}";
    assert_eq!(masked(&[file], "the location of the server here"), "the location of the server here");
    assert_eq!(masked(&[file], "bad: location / { proxy_pass backend; }"), "bad: ***");
}

#[test]
fn the_longest_goes_and_touching_masks_are_one() {
    let secrets = ["hunter2", "hunter2-long", "-more"];
    assert_eq!(masked(&secrets, "httpd:hunter2-long, hunter2-more."), "httpd:***, ***.");
    assert_eq!(masked(&["abcabd"], "abcabcabd"), "abc***");
}

#[test]
fn large_secrets_and_texts_are_masked_within_bounds() {
    let line = |n: usize| format!("key{n} = value-number-{n}-{:x}", n * 7919);
    let file = (0..2_000).map(line).collect::<Vec<_>>().join("\n");
    assert!(file.len() > 64 << 10);
    let secrets: Secrets = [&file, &"x".repeat(64 << 10)].into_iter().collect();
    let text = format!("{} {} %25%25 \\\\ +", STANDARD.encode(line(77)), "word ".repeat(3_000));
    let masked = secrets.masked(&text, Cut::Both);
    assert!(masked.starts_with("*** word"), "{}", &masked[..40]);
    assert_eq!(secrets.masked(&line(1_999), Cut::End), MASK);
}

proptest::proptest! {
    #[test]
    fn whatever_is_masked_stays_a_text_without_the_secret(
        secret in "\\PC{4,24}", before in "\\PC{0,12}", after in "\\PC{0,12}",
    ) {
        let secrets: Secrets = [&secret].into_iter().collect();
        let masked = secrets.masked(&format!("{before}{secret}{after}"), Cut::Both);
        let tells = parts::of(&secret).len() > 1 || !secret.trim().is_empty();
        let is_known = parts::of(&secret).contains(&secret);
        proptest::prop_assert!(!tells || !is_known || !masked.contains(&secret) || MASK.contains(secret.trim()), "{}", masked);
    }
}
