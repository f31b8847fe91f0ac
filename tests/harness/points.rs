//! Lists the crash points that a command passes.

use std::fs;

use super::{Ran, World};

const COMMIT: &str = "commit";

impl World {
    /// Runs a command. Returns its result and the crash points that it passed, each by its shortest unique name.
    pub(crate) fn run_for_points(&self, args: &[&str]) -> (Ran, Vec<String>) {
        let (ran, text) = self.run_visiting(args);
        // A line lists all names of a point, the shortest first.
        let mut lines: Vec<Vec<&str>> = Vec::new();
        for line in text.lines().filter(|line| *line != COMMIT) {
            let names: Vec<&str> = line.split('\t').collect();
            if !lines.contains(&names) {
                lines.push(names);
            }
        }
        let is_of_one = |name: &str| lines.iter().filter(|names| names.contains(&name)).count() == 1;
        let shortest =
            |names: &Vec<&str>| names.iter().copied().find(|name| is_of_one(name)).map(str::to_owned);
        let points = lines.iter().map(|names| shortest(names).expect("a name of its own")).collect();
        (ran, points)
    }

    /// Runs a command. Returns how many commits of a run it made.
    pub(crate) fn run_for_commits(&self, args: &[&str]) -> usize {
        let (ran, text) = self.run_visiting(args);
        ran.expect(0);
        text.lines().filter(|line| *line == COMMIT).count()
    }

    fn run_visiting(&self, args: &[&str]) -> (Ran, String) {
        let list = self.path("points");
        let ran = self.run_with(args, &format!("visited=return({})", list.display()));
        (ran, fs::read_to_string(list).expect("points were passed"))
    }
}
