//! A test that names a crash point which does not exist has tried nothing, so it must fail.

use crate::harness::World;

#[test]
fn a_crash_point_that_cannot_be_is_refused_before_anything_is_sent() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    for name in [
        "nonsense",
        "create-instance/beginning",
        "retire-instance/unsent",
        "16 retire-instance",
        "create-instance/",
    ] {
        let ran = world.run_with(&["start", file], &format!("{name}=return")).expect(101);
        assert!(
            ran.stderr.contains(&format!("FAILPOINTS names `{name}`, which is not a crash point")),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(world.audit()["entries"].as_array().expect("entries").len(), 0, "something was sent");
}

#[test]
fn a_crash_point_that_the_process_does_not_come_by_fails_it() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    for name in
        ["create-instanc/begun", "create-instance[somewhere-else]/begun", "await-drain/CreateBackend unsent"]
    {
        let ran = world.run_with(&["start", file], &format!("{name}=return")).expect(101);
        assert!(
            ran.stderr.contains(&format!("FAILPOINTS names `{name}`, which was not passed")),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn steps_of_one_name_are_told_apart_by_what_they_follow() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    let (ran, points) = world.run_for_points(&["start", file]);
    ran.expect(0);
    for point in [
        "create-instance/begun",
        "await-work-request[register-backend]/begun",
        "await-work-request[remove-backend]/begun",
    ] {
        assert!(points.iter().any(|passed| passed == point), "{point} is not in {points:#?}");
    }
    // The longest name contains the subject, and the subject contains an address.
    let name = world.backends("http")[0]["name"].as_str().expect("a name").to_owned();
    assert_eq!(
        world.run_with(&["start", file], &format!("remove-backend[http/{name}]/begun=return")).code,
        -1
    );
    world.run(&["resume", "latest"]).expect(0);
}
