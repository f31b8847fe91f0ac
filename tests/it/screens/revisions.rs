//! The versions of a deployment, and what serves.

use crate::harness::{Screens, World};

#[test]
fn the_revisions_of_a_deployment() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    screens.take(&["revisions", file]).expect(2);
    screens.take(&["restart", "webserver"]).expect(2);
    world.run(&["start", file, "--reason", "the first"]).expect(0);
    world.run(&["start", file]).expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    screens.take(&["restart", "webserver", "--reason", "it leaks", "--quiet"]).expect(0);
    screens.take(&["rollback", "webserver", "--to", "2", "--quiet"]).expect(0);
    screens.take(&["rollback", "webserver", "--to", "9"]).expect(2);
    screens.take(&["rollback", "nobody", "--to", "9"]).expect(2);
    screens.take(&["revisions", "webserver"]).expect(0);
    screens.take(&["revisions", "webserver", "--output", "json"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn what_serves_a_deployment() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    screens.take(&["status", file]).expect(0);
    screens.take(&["status", "webserver"]).expect(2);
    world.run(&["start", file]).expect(0);
    screens.take(&["status", file, "--quiet"]).expect(0);
    screens.take(&["status", "webserver", "--output", "json", "--quiet"]).expect(0);
    world.killed_at(&["start", file], "await-drain/begun");
    screens.take(&["status", "webserver"]).expect(0);
    world.run(&["resume", "latest"]).expect(0);
    insta::assert_snapshot!(screens.text());
}
