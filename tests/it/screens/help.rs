//! The program's help texts.

use crate::harness::{Screens, World};

#[test]
fn each_command_says_what_it_is_for() {
    let world = World::hurried();
    let mut screens = Screens::of(&world);
    screens.take(&["--version"]).expect(0);
    let help = screens.take(&["--help"]).expect(0).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).map_while(|line| {
        let command = line.strip_prefix("  ")?.split(' ').next()?;
        (!command.is_empty()).then(|| command.to_owned())
    });
    let commands: Vec<String> = commands.filter(|command| command != "help").collect();
    assert!(commands.len() > 15, "the help lists its commands: {commands:?}");
    for command in &commands {
        screens.take(&[command, "--help"]).expect(0);
    }
    screens.take(&["key", "rotate", "--help"]).expect(0);
    screens.take(&["journal", "prune", "--help"]).expect(0);
    // The options of every command are described once.
    let text = screens.text();
    let global =
        text.split("exit 0").nth(1).and_then(|help| help.find("| Global options:").map(|at| &help[at..]));
    let global = global.expect("global options").split("| Exit codes").next().unwrap_or_default();
    let (first, rest) = text.split_at(text.find("$ deployctl start").expect("a command"));
    insta::assert_snapshot!(format!(
        "{first}{}",
        rest.replace(global.trim_end_matches("|\n"), "| (global options)\n")
    ));
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.run(&["completions", shell]).expect(0);
        let missing = commands.iter().find(|command| !script.stdout.contains(command.as_str()));
        assert_eq!((missing, script.stderr.as_str()), (None, ""), "{shell}");
    }
}

#[test]
fn a_command_line_that_is_not_understood_says_what_is() {
    let world = World::hurried();
    let mut screens = Screens::of(&world);
    for args in [
        &[][..],
        &["histroy"],
        &["histroy", "--output", "json"],
        &["start", "--no-such-flag"],
        &["history", "--limit", "many"],
        &["history", "not-a-run"],
        &["resolve", "latest", "create-instance"],
        &["abandon", "latest"],
        &["key"],
        &["completions", "cmd"],
    ] {
        screens.take(args).expect(2);
    }
    insta::assert_snapshot!(screens.text());
}
