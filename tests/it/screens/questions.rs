//! The questions that are asked on a terminal. A terminal shows both streams as one, and ends lines with a carriage return.

use crate::harness::{Ran, Screens, World};

/// Adds the screen of a command on a terminal on which `answer` is typed.
fn take(screens: &mut Screens<'_>, world: &World, args: &[&str], answer: &str) -> Ran {
    let ran = world.on_a_terminal(args, answer, &[]);
    // The terminal shows what is typed at once, maybe before the question.
    let stdout = ran.stdout.replace('\r', "").replacen(answer, "", 1);
    let ran = Ran { code: ran.code, stdout, stderr: String::new() };
    screens.add(args, &ran);
    ran
}

#[test]
fn what_takes_something_away_asks_first() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    let id = world.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
    take(&mut screens, &world, &["destroy", file, "--id", &id, "--quiet"], "nonsense\n").expect(2);
    world.run(&["start", file]).expect(0);
    take(&mut screens, &world, &["rollback", "latest", "--quiet"], "nonsense\n").expect(2);
    take(&mut screens, &world, &["rollback", "webserver", "--to", "1", "--quiet"], "nonsense\n").expect(2);
    take(&mut screens, &world, &["rollback", "latest", "--quiet"], "yes\n").expect(0);
    insta::assert_snapshot!(screens.text());
}
