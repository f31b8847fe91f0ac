//! Of all runs of a deployment, one goes on. The load balancer decides which, by two looks (docs/design/claims.md).
//!
//! A look is a read of the load balancer that shows this run's own last change, made while no work request is open on it. A
//! claimant is a backend of another run's instance, which is not the instance that is replaced.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::balancer::{Place, Read, SURE_AFTER, when_surely_idle};
use super::looked::Side;
use super::rivals::{Alive, Others, Rival, Seniority};
use super::{World, readiness};
use crate::config::{MinReady, Register};
use crate::engine::{Cx, Looks};
use crate::oci::InstanceId;
use crate::oci::load_balancers::{Backend, LoadBalancer};
use crate::oci::network::is_same_address;
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
    /// The claim of the instance that a rollback brings back, against which the new instance of the run counts for nothing.
    pub(super) fn taken_back(&self, by: Option<InstanceId>, at: Vec<Place>) -> Option<Self> {
        let by = by.or_else(|| self.others.replaced.clone())?;
        let others = Others { replaced: Some(self.by.clone()), ..self.others.clone() };
        let replaced_at = self.at.iter().map(|place| place.address.clone()).collect();
        Some(Self { others, by, at, replaced_at })
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
                _ if self.is_decided(cx, &read.0) => return Ok(read),
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
        let Some(first) = self.at.first() else {
            return Err(Failure::ours(DOING, "there is no place to look at"));
        };
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let read = when_surely_idle(cx, &first.load_balancer).await?;
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

    /// Whether this run has been admitted somewhere: then the others give way to it. What is registered in service has not.
    fn is_decided(&self, cx: &Cx<'_, World>, balancer: &LoadBalancer) -> bool {
        let serves = |place: &Place| place.find(balancer).is_some_and(|backend| backend.flags.serves());
        cx.world.policy.register == Register::Drained && self.at.iter().any(serves)
    }

    /// The claimant that goes on instead of this run.
    async fn winner(
        &self,
        cx: &Cx<'_, World>,
        balancer: &LoadBalancer,
        side: Side,
    ) -> Result<Option<Claimant>, Failure> {
        if self.is_decided(cx, balancer) {
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
        let mut claimants = Vec::new();
        for rival in rivals {
            let addresses = rival.addresses(cx).await?;
            let is_its = |one: &&&Backend| addresses.iter().any(|at| is_same_address(at, &one.ip_address));
            let mut backends = unknown.iter().filter(is_its).peekable();
            if backends.peek().is_some() {
                let serves = backends.any(|backend| backend.flags.serves());
                claimants.push(Claimant { rival, serves });
            }
        }
        Ok((claimants, own))
    }

    /// The backends in this run's sets that are neither its own nor the replaced instance's.
    fn unknown<'b>(&self, balancer: &'b LoadBalancer) -> Vec<&'b Backend> {
        let known = self.at.iter().map(|place| &place.address).chain(&self.replaced_at);
        let known: Vec<&String> = known.collect();
        let is_ours = |name: &str| self.at.iter().any(|place| place.backend_set == name);
        let sets = balancer.backend_sets.iter().filter(|(name, _)| is_ours(name));
        sets.flat_map(|(_, set)| &set.backends)
            .filter(|backend| !known.iter().any(|at| is_same_address(at, &backend.ip_address)))
            .collect()
    }

    fn apart(&self, cx: &Cx<'_, World>, balancer: &LoadBalancer) -> Duration {
        let hold = |place: &Place| readiness::hold(balancer, &place.backend_set, MinReady::Interval);
        match cx.world.policy.min_ready {
            Some(MinReady::For(time)) => time,
            Some(MinReady::Interval) | None => self.at.iter().map(hold).max().unwrap_or_default().max(APART),
        }
    }
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
