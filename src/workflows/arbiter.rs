//! Of all runs of a deployment, one goes on. The load balancer decides which, by two looks (docs/design/claims.md).
//!
//! A look is a read of the load balancer that shows this run's own last change, made while no work request is open on it. A
//! claimant is a backend of another run's instance, which is not the instance that is replaced.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::balancer::{Place, Read, SURE_AFTER, when_idle_unless_gone, when_surely_idle};
use super::looked::Side;
use super::rivals::{Alive, Others, Rival, Seniority};
use super::{World, readiness};
use crate::config::MinReady;
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{Backend, LoadBalancer};
use crate::oci::network::is_same_address;
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::Failure;

/// How far apart the looks are at least, unless `min-ready` says otherwise.
const APART: Duration = Duration::from_secs(5);

const DOING: &str = "looking for other runs of the deployment";

/// What an instance claims: to take over in these places.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Claim {
    pub(super) others: Others,
    pub(super) by: InstanceId,
    pub(super) at: Vec<Place>,
    /// The addresses of the instance that is replaced.
    pub(super) replaced_at: Vec<String>,
    /// Only of an instance that a rollback brings back: all its addresses, and the sets in which it may be.
    #[serde(skip)]
    wider: (Vec<String>, Vec<String>),
}

/// A backend of another run.
struct Claimant {
    rival: Rival,
    serves: bool,
}

impl Claimant {
    fn lost_to(&self) -> Failure {
        let how = if self.serves { "serves already" } else { "goes first" };
        Failure::held(self.rival.run, DOING, format!("{}, which {how}", self.rival.told()))
    }
}

impl Claim {
    pub(super) fn new(others: Others, by: InstanceId, at: Vec<Place>, replaced_at: Vec<String>) -> Self {
        Self { others, by, at, replaced_at, wider: (Vec::new(), Vec::new()) }
    }

    /// The claim to this place of the instance that a rollback brings back at these addresses. The new instance of the run
    /// counts for nothing against it.
    pub(super) fn taken_back(
        &self,
        by: Option<InstanceId>,
        place: Place,
        addresses: Vec<String>,
    ) -> Option<Self> {
        let by = by.or_else(|| self.others.replaced.clone())?;
        let others = Others { replaced: Some(self.by.clone()), ..self.others.clone() };
        let replaced_at = self.at.iter().map(|place| place.address.clone()).collect();
        let sets = self.at.iter().map(|place| place.backend_set.clone()).collect();
        Some(Self { others, by, at: vec![place], replaced_at, wider: (addresses, sets) })
    }

    /// The load balancer that decides.
    pub(super) fn load_balancer(&self) -> &LoadBalancerId {
        &self.at.first().expect("an instance claims some place").load_balancer
    }

    /// Makes sure that no other version is in service, before a rollback brings anything back.
    ///
    /// # Errors
    /// [`Held`](crate::run::FailureKind::Held) if one is.
    pub(super) async fn is_free(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let id = self.load_balancer();
        // A load balancer that is gone serves nobody.
        let Some(read) = when_idle_unless_gone(cx, id).await? else { return Ok(()) };
        let serving: Vec<&Backend> =
            self.unknown(&read.0).into_iter().filter(|backend| backend.flags.serves()).collect();
        if !serving.is_empty() && !self.is_decided(&read.0) {
            let rivals = self.others.rivals(cx).await?;
            if let Some(winner) = among(cx, rivals, &serving).await?.first() {
                return Err(winner.lost_to());
            }
        }
        cx.world.pace.hand_on(id, read);
        Ok(())
    }

    /// The first look, once the run's own registration has ended.
    ///
    /// # Errors
    /// [`Held`](crate::run::FailureKind::Held) if another run goes on instead.
    pub(super) async fn first_look(&self, cx: &Cx<'_, World>, side: Side) -> Result<Read, Failure> {
        let read = self.look(cx, side).await?;
        cx.world.looked.looks(cx.run(), side);
        Ok(read)
    }

    /// The look right before the first admission, which must carry the version of this read. There is always another look
    /// before it, long enough ago.
    ///
    /// # Errors
    /// As [`Self::first_look`].
    pub(super) async fn last_look(&self, cx: &Cx<'_, World>, side: Side) -> Result<Read, Failure> {
        loop {
            let read = self.look(cx, side).await?;
            let before = cx.world.looked.looks(cx.run(), side);
            let apart = self.apart(cx, &read.0);
            let left = match before {
                _ if self.is_decided(&read.0) => return Ok(read),
                Some(before) => apart.saturating_sub(before.elapsed()),
                None => apart,
            };
            if before.is_some() && left.is_zero() {
                return Ok(read);
            }
            cx.progress("looking once more whether another run claims the same place");
            cx.pause(left).await?;
        }
    }

    async fn look(&self, cx: &Cx<'_, World>, side: Side) -> Result<Read, Failure> {
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let read = when_surely_idle(cx, self.load_balancer()).await?;
            let is_shown = self.at.iter().all(|place| place.find(&read.0).is_some());
            // What is not there by then has been removed by somebody, which whoever changes it finds out.
            let counts = is_shown || started.elapsed() > SURE_AFTER;
            if let Some(winner) = Box::pin(self.winner(cx, &read.0, side)).await? {
                // One that serves has won, however old the read is.
                if counts || winner.serves {
                    return Err(winner.lost_to());
                }
            } else if counts {
                return Ok(read);
            }
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }

    /// Whether this run has been admitted somewhere: then the others give way to it.
    fn is_decided(&self, balancer: &LoadBalancer) -> bool {
        self.backends(balancer).any(|backend| self.is_own(backend) && backend.flags.serves())
    }

    /// The claimant that goes on instead of this run.
    async fn winner(
        &self,
        cx: &Cx<'_, World>,
        balancer: &LoadBalancer,
        side: Side,
    ) -> Result<Option<Claimant>, Failure> {
        if self.is_decided(balancer) {
            return Ok(None);
        }
        let (claimants, own) = self.claimants(cx, balancer).await?;
        Ok(winner(&own, side, claimants))
    }

    /// The claimants, with this run's own seniority among them.
    async fn claimants(
        &self,
        cx: &Cx<'_, World>,
        balancer: &LoadBalancer,
    ) -> Result<(Vec<Claimant>, Seniority), Failure> {
        let unknown = self.unknown(balancer);
        // Most often there is nobody, and nothing else is read.
        if unknown.is_empty() {
            return Ok((Vec::new(), Seniority::unknown(cx)));
        }
        let Alive { rivals, own, .. } = self.others.alive(cx, &self.by).await?;
        Ok((among(cx, rivals, &unknown).await?, own))
    }

    /// The backends in this run's sets that are neither its own nor the replaced instance's.
    fn unknown<'b>(&self, balancer: &'b LoadBalancer) -> Vec<&'b Backend> {
        let is_replaced = |backend: &Backend| is_at(backend, &self.replaced_at);
        self.backends(balancer).filter(|backend| !self.is_own(backend) && !is_replaced(backend)).collect()
    }

    /// The backends in this run's sets.
    fn backends<'b>(&self, balancer: &'b LoadBalancer) -> impl Iterator<Item = &'b Backend> {
        let is_ours = |name: &String| {
            self.wider.1.contains(name) || self.at.iter().any(|place| place.backend_set == *name)
        };
        let sets = balancer.backend_sets.iter().filter(move |(name, _)| is_ours(name));
        sets.flat_map(|(_, set)| &set.backends)
    }

    fn is_own(&self, backend: &Backend) -> bool {
        let is_there = |place: &Place| is_same_address(&place.address, &backend.ip_address);
        self.at.iter().any(is_there) || is_at(backend, &self.wider.0)
    }

    fn apart(&self, cx: &Cx<'_, World>, balancer: &LoadBalancer) -> Duration {
        let hold = |place: &Place| readiness::hold(balancer, &place.backend_set, MinReady::Interval);
        match cx.world.policy.min_ready {
            Some(MinReady::For(time)) => time,
            Some(MinReady::Interval) | None => self.at.iter().map(hold).max().unwrap_or_default().max(APART),
        }
    }
}

/// Those of the rivals to which some of these backends belong.
async fn among(
    cx: &Cx<'_, World>,
    rivals: Vec<Rival>,
    backends: &[&Backend],
) -> Result<Vec<Claimant>, Failure> {
    let mut claimants = Vec::new();
    for rival in rivals {
        let addresses = rival.addresses(cx).await?;
        let mut its = backends.iter().filter(|backend| is_at(backend, &addresses)).peekable();
        if its.peek().is_some() {
            let serves = its.any(|backend| backend.flags.serves());
            claimants.push(Claimant { rival, serves });
        }
    }
    Ok(claimants)
}

fn is_at(backend: &Backend, addresses: &[String]) -> bool {
    addresses.iter().any(|at| is_same_address(at, &backend.ip_address))
}

/// The claimant that goes on instead of this run: one that serves; or, as long as none does, a rollback before a start, and then
/// the one whose instance is older.
fn winner(own: &Seniority, side: Side, claimants: Vec<Claimant>) -> Option<Claimant> {
    let goes_before = |one: &Claimant| match (one.serves, one.rival.is_remade, side) {
        (true, _, _) | (false, true, Side::Start) => true,
        (false, false, Side::Rollback) => false,
        (false, true, Side::Rollback) | (false, false, Side::Start) => one.rival.seniority < *own,
    };
    let key = |one: &Claimant| (!one.serves, !one.rival.is_remade, one.rival.seniority.clone());
    claimants.into_iter().filter(goes_before).min_by_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{RunId, time_of};

    fn run(n: u8) -> RunId {
        format!("{n:08}-0000-4000-8000-000000000000").parse().expect("an id")
    }

    fn claimant(n: u8, second: u8, serves: bool, is_remade: bool) -> Claimant {
        let seniority = Seniority::of(time_of(&format!("2026-03-01T09:00:{second:02}Z")), Some(run(n)));
        let rival = Rival { id: InstanceId::from("ocid1.x"), run: Some(run(n)), seniority, is_remade };
        Claimant { rival, serves }
    }

    /// Which of two claimants with these traits beats run 5, whose instance was created in second 5.
    fn beaten(side: Side, claimants: Vec<Claimant>) -> Option<RunId> {
        winner(&Seniority::of(time_of("2026-03-01T09:00:05Z"), Some(run(5))), side, claimants)
            .and_then(|one| one.rival.run)
    }

    #[test]
    fn what_serves_wins_then_a_rollback_then_the_older_instance() {
        let (older, younger) = (claimant(1, 4, false, false), claimant(2, 6, false, false));
        assert_eq!(beaten(Side::Start, vec![younger]), None);
        assert_eq!(beaten(Side::Start, vec![claimant(3, 6, true, false), older]), Some(run(3)));
        assert_eq!(beaten(Side::Start, vec![claimant(1, 4, false, false)]), Some(run(1)));
        assert_eq!(beaten(Side::Start, vec![claimant(4, 9, false, true)]), Some(run(4)));
        assert_eq!(
            beaten(Side::Start, vec![claimant(1, 4, false, false), claimant(4, 9, false, true)]),
            Some(run(4))
        );
        assert_eq!(beaten(Side::Rollback, vec![claimant(1, 4, false, false)]), None);
        assert_eq!(beaten(Side::Rollback, vec![claimant(1, 4, false, true)]), Some(run(1)));
        assert_eq!(beaten(Side::Rollback, vec![claimant(1, 9, true, false)]), Some(run(1)));
    }

    #[test]
    fn of_two_instances_of_one_second_the_smaller_run_goes_on() {
        assert_eq!(beaten(Side::Start, vec![claimant(4, 5, false, false)]), Some(run(4)));
        assert_eq!(beaten(Side::Start, vec![claimant(6, 5, false, false)]), None);
    }
}
