//! What is printed for others to read: the manual, the schema; and the demo.

use crate::harness::{Ran, Screens, World};

#[test]
fn the_manual_and_the_schema() {
    let world = World::hurried();
    let mut screens = Screens::of(&world);
    screens.take(&["man"]).expect(0);
    screens.take(&["schema"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn the_demo() {
    let world = World::hurried();
    let mut screens = Screens::of(&world);
    // A slow machine cannot send more, and says so.
    let args = ["demo", "--rate", "20"];
    let ran = world.run(&args).expect(0);
    let with = |text: &str| countless(&nameless(text));
    screens.add(&args, &Ran { code: ran.code, stdout: with(&ran.stdout), stderr: with(&ran.stderr) });
    insta::assert_snapshot!(screens.text());
}

/// The text with names in place of the demo's own run and its addresses.
fn nameless(text: &str) -> String {
    let mut words = text.split_whitespace();
    // The run is named between the deployment and what happens.
    let run = words.find(|word| *word == "webserver").and_then(|_| words.next()).unwrap_or("no run");
    let text = text.replace(run, "run1");
    text.split(' ')
        .map(|word| match word.strip_prefix("http://") {
            Some(rest) => rest.find(['\n', ';']).map_or("URL".to_owned(), |at| format!("URL{}", &rest[at..])),
            None => word.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The text with `N` in place of each number that the demo measures.
fn countless(text: &str) -> String {
    let measures = ["requests sent", "latency, ", "version ", "calls of the API", "took "];
    text.lines()
        .map(|line| match measures.iter().find(|measure| line.trim_start().starts_with(*measure)) {
            Some(_) => without_numbers(line),
            None => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn without_numbers(line: &str) -> String {
    let mut counted = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if counted.ends_with('N') => {}
            '0'..='9' => counted.push('N'),
            other => counted.push(other),
        }
    }
    counted
}
