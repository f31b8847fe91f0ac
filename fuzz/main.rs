//! A target under libFuzzer. `FUZZ_TARGET` names it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod targets;

use targets::Ground;

type Target = fn(&Ground, &[u8]) -> bool;

static GROUND: LazyLock<(Ground, Target)> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let targets: [(&str, Target); 7] = [
        ("answer", Ground::answer),
        ("deps", Ground::deps),
        ("edn", Ground::edn),
        ("ini", Ground::ini),
        ("json", Ground::json),
        ("pem", Ground::pem),
        ("yaml", Ground::yaml),
    ];
    let found = targets.into_iter().find(|(known, _)| *known == name);
    let (_, target) =
        found.unwrap_or_else(|| panic!("FUZZ_TARGET names none of {:?}", targets.map(|(name, _)| name)));
    (Ground::new(), target)
});

fuzz_target!(|input: &[u8]| {
    let (ground, target) = &*GROUND;
    target(ground, input);
});
