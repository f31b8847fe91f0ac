//! Names in the user's casing and in the wire's: an exact port of camel-snake-kebab, which our predecessor library used
//! (docs/oci.md 6.3).

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    Separator,
    Lower,
    Upper,
    Other,
}

fn class(c: char) -> Class {
    match c {
        '0'..='9' => Class::Digit,
        '-' | '_' => Class::Separator,
        _ if c.is_whitespace() => Class::Separator,
        _ if c.is_lowercase() => Class::Lower,
        _ if c.is_uppercase() => Class::Upper,
        _ => Class::Other,
    }
}

/// Splits a name into words. A separator ends a word and is dropped. A word also ends before an upper-case letter that
/// follows another kind of character, before a digit, and before the last capital of an abbreviation.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (n, &c) in chars.iter().enumerate() {
        let here = class(c);
        if here == Class::Separator {
            words.push(String::new());
            continue;
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
        let next = chars.get(n + 1).map(|&c| class(c));
        let after = chars.get(n + 2).map(|&c| class(c));
        let ends = (here != Class::Upper && next == Some(Class::Upper))
            || (here != Class::Digit && next == Some(Class::Digit))
            || (here == Class::Upper && next == Some(Class::Upper) && after == Some(Class::Lower));
        if ends {
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `memoryInGBs` to `memory-in-g-bs`.
pub(super) fn kebab(name: &str) -> String {
    words(name).iter().map(|word| word.to_lowercase()).collect::<Vec<_>>().join("-")
}

/// `image-url` to `imageUrl`.
pub(super) fn camel(name: &str) -> String {
    let mut camel = String::new();
    for (n, word) in words(name).iter().enumerate() {
        let lower = word.to_lowercase();
        let mut chars = lower.chars();
        match chars.next() {
            Some(first) if n > 0 => {
                camel.extend(first.to_uppercase());
                camel.push_str(chars.as_str());
            }
            Some(_) | None => camel.push_str(&lower),
        }
    }
    camel
}

/// A name without its casing, to compare a user's name with a known one: `memory_in_gbs`, `memoryInGBs` and `memory-in-g-bs`
/// are equal.
pub(super) fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_cases_are_those_of_the_library_we_succeed() {
        for (wire, keyword) in [
            ("memoryInGBs", "memory-in-g-bs"),
            ("memoryLimitInGBs", "memory-limit-in-g-bs"),
            ("ipv6Addresses", "ipv-6-addresses"),
            ("networkingBandwidthInGbps", "networking-bandwidth-in-gbps"),
            ("vcpusLimit", "vcpus-limit"),
            ("maxConnections", "max-connections"),
            ("imageUrl", "image-url"),
            ("web2", "web-2"),
        ] {
            assert_eq!(kebab(wire), keyword);
        }
        for name in ["MY_VAR", "my-var", "myVar"] {
            assert_eq!((kebab(name), camel(name)), ("my-var".to_owned(), "myVar".to_owned()), "{name}");
        }
        assert_eq!(camel("memory-in-g-bs"), "memoryInGBs");
        for name in ["memory_in_gbs", "memoryInGBs", "memory-in-g-bs", "memory-in-gbs"] {
            assert_eq!(folded(name), "memoryingbs", "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_has_a_form_that_stays_as_it_is(name in "[ -~]{0,24}", any in "\\PC{0,24}") {
            // Beyond ASCII, some capitals have no small form. These functions must only not panic on them.
            drop((kebab(&any), camel(&any), folded(&any)));
            let kebab_case = kebab(&name);
            proptest::prop_assert_eq!(kebab(&kebab_case), kebab_case.clone(), "{}", name);
            proptest::prop_assert_eq!(folded(&camel(&name)), folded(&camel(&kebab_case)));
        }

        #[test]
        fn a_name_of_the_wire_comes_back_from_kebab_case(name in "[a-z]{2,8}([A-Z][a-z]{1,7}){0,3}") {
            proptest::prop_assert_eq!(camel(&kebab(&name)), name);
        }
    }
}
