//! What a program's targets and facts say about which of its runs belong together.

/// How the runs of a program are related. Without it, runs that held one target are of one deployment.
///
/// The kinds are those of [`Target::new`](super::Target::new), and the facts those that activities record.
///
/// # Example
/// ```
/// use deployctl::run::Kinship;
///
/// let of_servers = Kinship {
///     shared: &["rack"],
///     thing: Some("server"),
///     found: "old-server",
///     made: "new-server",
///     ..Kinship::default()
/// };
/// # let _ = of_servers;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Kinship {
    /// The kinds of targets that two deployments may share. They decide only for runs that held nothing else.
    pub shared: &'static [&'static str],
    /// The kind of targets that come and go: each is a thing that one run makes and a later one takes away.
    pub thing: Option<&'static str>,
    /// The fact that holds the thing that a run found and replaced.
    pub found: &'static str,
    /// The fact that holds the thing that a run made.
    pub made: &'static str,
    /// The fact that holds the thing that a compensation made again.
    pub restored: &'static str,
}
