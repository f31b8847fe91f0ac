//! Waits until the new backends are ready: healthy, and for long enough that it was no accident.
//!
//! Health is checked in every set, even if no listener seems to use it. Whether requests reach a set is only inferred
//! (`balancer::has_listener`), and if that is wrong, an unhealthy version would be admitted unchecked.

use std::time::Duration;

use tokio::time::Instant;

use super::World;
use super::balancer::{Place, has_listener, health, unwell, when_idle};
use super::instance::A_MOMENT;
use super::successor::Successor;
use crate::config::MinReady;
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{HealthChecker, HealthStatus, LoadBalancer};
use crate::run::Failure;

/// The longest `min-ready` that follows from a set's own checker, unless the user sets another.
const INTERVAL_MOST: Duration = Duration::from_secs(10);
/// The interval of the service's checks by default (docs/oci.md 2.5).
const INTERVAL_MILLIS: u64 = 10_000;
const RETRIES: u32 = 3;
/// The fewest looks while a backend must stay healthy, so that a short failure does not fall between two.
const LOOKS_LEAST: u32 = 4;

/// Waits until every backend is healthy and has stayed healthy for `min_ready`, while no container of the new instance ends.
/// Those that are waited for `next` are looked at by the way.
/// That time begins with the first good check and does not count towards the backend timeout.
///
/// # Errors
/// Permanent when one is not healthy in time, with the last result of the checks; at once when the new version dies.
pub(super) async fn until_ready(
    cx: &Cx<'_, World>,
    places: &[Place],
    next: &[Place],
    successor: &Successor,
    min_ready: MinReady,
) -> Result<(), Failure> {
    let Some(first) = places.first() else { return Ok(()) };
    let read = when_idle(cx, &first.load_balancer).await?;
    let watch = |place| Watched::new(cx, place, &read.0, min_ready);
    let mut watched: Vec<Watched<'_>> = places.iter().map(watch).collect();
    let mut next: Vec<Watched<'_>> = next.iter().map(watch).collect();
    let started = Instant::now();
    // Health checks have no verdict before that.
    let verdict = watched.iter().map(|one| one.verdict_after).max().unwrap_or_default();
    for wait in Looks::around(verdict, cx.world.policy.poll_interval) {
        let in_time = cx.world.policy.backend_timeout.saturating_sub(started.elapsed());
        let is_last = in_time.is_zero();
        let (mut waiting, mut is_worse) = (Vec::new(), false);
        for one in &mut watched {
            let since_start = if is_last { Duration::MAX } else { started.elapsed() };
            let was_well = one.well_since.is_some();
            let unwell = one.look(cx, since_start).await?;
            is_worse |= was_well && unwell.is_some();
            waiting.extend(unwell);
        }
        let is_over = waiting.is_empty() && left(&watched).is_zero();
        let is_near = is_worse || is_over || is_last;
        let state = if is_near { successor.runs_now(cx).await? } else { successor.runs_lately(cx).await? };
        if let Some(state) = state {
            for one in &mut watched {
                one.well_since = None;
            }
            waiting.insert(0, state);
        }
        if !waiting.is_empty() && is_last {
            return Err(Failure::permanent(
                "waiting for the backends to be healthy",
                format!(
                    "not healthy within {}: {}",
                    humantime::format_duration(cx.world.policy.backend_timeout),
                    waiting.join("; ")
                ),
            ));
        }
        if !waiting.is_empty() {
            cx.progress(waiting.join("; "));
            cx.pause(wait.min(in_time)).await?;
            continue;
        }
        let left = left(&watched);
        for one in &mut next {
            // What was seen well shortly before counts when its turn comes.
            if !cx.world.watched.was_seen_well_within(&one.place.subject(), one.unchecked_after / 2) {
                one.look(cx, Duration::ZERO).await?;
            }
        }
        if left.is_zero() {
            for one in &watched {
                one.warn_if_unchecked(cx);
            }
            if started.elapsed() < A_MOMENT / 2 {
                cx.world.pace.hand_on(&first.load_balancer, read.clone());
            }
            return Ok(());
        }
        let longest = watched.iter().map(|one| one.hold).max().unwrap_or_default();
        cx.progress(format!("OK, and watched for {} more", in_seconds(left)));
        cx.pause((longest / LOOKS_LEAST).min(cx.world.policy.poll_interval * LOOKS_LEAST).min(left)).await?;
    }
    unreachable!("looks never end")
}

/// Looks at backends that will be waited for later, so that the time for which they must stay healthy may begin now.
pub(super) async fn look_ahead(cx: &Cx<'_, World>, places: &[Place]) -> Result<(), Failure> {
    for place in places {
        let subject = place.subject();
        if health(cx, place).await?.0 == HealthStatus::Ok {
            cx.world.watched.is_well(&subject, Instant::now());
        }
    }
    Ok(())
}

/// How much longer the backends must stay healthy.
fn left(watched: &[Watched<'_>]) -> Duration {
    watched.iter().map(Watched::left).max().unwrap_or_default()
}

/// A backend that is waited for.
struct Watched<'p> {
    place: &'p Place,
    /// Whether a listener is known to use the set.
    has_listener: bool,
    is_drained: bool,
    /// The checks have no verdict before this time.
    verdict_after: Duration,
    /// After this time without any check, there will be none.
    unchecked_after: Duration,
    /// How long it must stay healthy.
    hold: Duration,
    well_since: Option<Instant>,
    best: Seen,
}

/// The best health that a backend ever had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// Unknown.
    Nothing,
    /// It was checked.
    Checked,
    /// It was healthy.
    Well,
}

impl<'p> Watched<'p> {
    fn new(cx: &Cx<'_, World>, place: &'p Place, balancer: &LoadBalancer, min_ready: MinReady) -> Self {
        let set = balancer.backend_sets.get(&place.backend_set);
        let checker = set.and_then(|set| set.health_checker.as_ref());
        let interval = interval_of(checker);
        let retries = checker.and_then(|checker| checker.retries).unwrap_or(RETRIES);
        Self {
            place,
            has_listener: has_listener(balancer, &place.backend_set),
            is_drained: place.find(balancer).is_some_and(|backend| backend.flags.drain),
            verdict_after: interval * retries.saturating_sub(1),
            unchecked_after: interval * retries,
            hold: hold(balancer, &place.backend_set, min_ready),
            well_since: cx.world.watched.well_since(&place.subject(), interval * retries),
            best: Seen::Nothing,
        }
    }

    /// Reads its health. Returns why it is not healthy; `None` if it is.
    async fn look(&mut self, cx: &Cx<'_, World>, waited: Duration) -> Result<Option<String>, Failure> {
        let (status, seen) = health(cx, self.place).await?;
        self.best = self.best.max(match status {
            HealthStatus::Ok => Seen::Well,
            HealthStatus::Warning | HealthStatus::Critical => Seen::Checked,
            HealthStatus::Unknown => Seen::Nothing,
        });
        if status == HealthStatus::Ok {
            let since = *self.well_since.get_or_insert_with(Instant::now);
            cx.world.watched.is_well(&self.place.subject(), since);
            return Ok(None);
        }
        cx.world.watched.is_unwell(&self.place.subject());
        if self.is_never_checked() && waited >= self.unchecked_after {
            return Ok(None);
        }
        self.well_since = None;
        Ok(Some(format!("{}{}", unwell(self.place, status, &seen), self.history())))
    }

    /// What else a message says about an unhealthy backend.
    fn history(&self) -> String {
        if self.best == Seen::Well {
            format!(", and was OK before, but never for {}", humantime::format_duration(self.hold))
        } else if self.is_drained && self.best == Seen::Nothing {
            ", and is drained: if this load balancer does not check drained backends, say `register: active`"
                .to_owned()
        } else {
            String::new()
        }
    }

    fn is_never_checked(&self) -> bool {
        !self.has_listener && self.best == Seen::Nothing
    }

    /// How much longer it must stay healthy.
    fn left(&self) -> Duration {
        if self.is_never_checked() {
            return Duration::ZERO;
        }
        self.hold.saturating_sub(self.well_since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn warn_if_unchecked(&self, cx: &Cx<'_, World>) {
        if self.is_never_checked() {
            cx.warn(format!(
                "{} was never checked: no listener seems to use the set, and it goes on as UNKNOWN",
                self.place.subject()
            ));
        }
    }
}

/// How long a backend of a set must stay healthy.
pub(super) fn hold(balancer: &LoadBalancer, set: &str, min_ready: MinReady) -> Duration {
    let checker = balancer.backend_sets.get(set).and_then(|set| set.health_checker.as_ref());
    match min_ready {
        MinReady::Interval => interval_of(checker).min(INTERVAL_MOST),
        MinReady::For(duration) => duration,
    }
}

fn interval_of(checker: Option<&HealthChecker>) -> Duration {
    let millis = checker.and_then(|checker| checker.interval_in_millis).unwrap_or(INTERVAL_MILLIS);
    Duration::from_millis(millis)
}

fn in_seconds(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs().max(1)))
}
