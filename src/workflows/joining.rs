//! Lets the new instance join its sets, and lets requests reach it, set by set.
//!
//! The order of the steps is journaled: a resumed run must ask for the same steps again.

use std::time::Duration;

use super::activities::{
    AdmitBackend, AwaitBackends, AwaitShift, Conditions, Flagged, NewBackend, OldBackend, PutBack,
    RegisterBackend, ShiftSet, Shifted,
};
use super::arbiter::Claim;
use super::balancer::{Expected, Place};
use super::rivals::Others;
use super::stages::follow;
use super::successor::Successor;
use super::world::World;
use crate::config::{MinReady, Register};
use crate::engine::{Run, Stop};
use crate::oci::{InstanceId, LoadBalancerId};

/// The backends of an instance that joins, and what was in service before.
pub(super) struct Joining<'j> {
    backends: Vec<(Place, &'j NewBackend)>,
    balancer: &'j LoadBalancerId,
    before: &'j [OldBackend],
    is_of_before: bool,
    claim: Option<Claim>,
}

impl<'j> Joining<'j> {
    /// Each of the new instance's addresses in each set that it joins.
    pub(super) fn new(
        balancer: &'j LoadBalancerId,
        new: &[String],
        targets: &'j [NewBackend],
        before: &'j [OldBackend],
        is_of_before: bool,
    ) -> Self {
        let place = |target: &NewBackend, address: &String| Place {
            load_balancer: balancer.clone(),
            backend_set: target.backend_set.clone(),
            address: address.clone(),
            port: target.port,
        };
        let at = |target: &'j NewBackend| new.iter().map(move |at| (place(target, at), target));
        Self { backends: targets.iter().flat_map(at).collect(), balancer, before, is_of_before, claim: None }
    }

    /// The same, with a claim against other runs.
    pub(super) fn claiming(mut self, others: Option<Others>, by: &InstanceId) -> Self {
        let at: Vec<Place> = self.places().cloned().collect();
        let replaced_at = self.before.iter().map(|old| old.backend.ip_address.clone()).collect();
        let claim = others.filter(|_| !at.is_empty());
        self.claim = claim.map(|others| Claim::new(others, by.clone(), at, replaced_at));
        self
    }

    pub(super) const fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// The places that the instance takes.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.backends.iter().map(|(place, _)| place)
    }

    /// The sets that it joins, in the order of the deployment.
    fn sets(&self) -> Vec<&str> {
        let mut sets: Vec<&str> = Vec::new();
        for place in self.places() {
            if !sets.contains(&place.backend_set.as_str()) {
                sets.push(&place.backend_set);
            }
        }
        sets
    }

    fn within(&self, set: &str) -> Vec<Place> {
        self.places().filter(|place| place.backend_set == set).cloned().collect()
    }

    /// Where a set took requests before; `None` in a run of an older version, which does not record it.
    fn predecessors(&self, set: &str) -> Option<Vec<Place>> {
        (!self.is_of_before).then(|| self.leaving(set).into_iter().map(|old| old.place).collect())
    }

    /// The old backends in service in a set.
    fn leaving(&self, set: &str) -> Vec<Flagged> {
        let served = self.before.iter().filter(|old| old.backend_set == set && old.backend.flags.serves());
        let flagged =
            |old: &OldBackend| Flagged { place: old.place(self.balancer), flags: old.backend.flags.clone() };
        served.map(flagged).collect()
    }

    /// The change that admits the new backends of a set and drains its old ones. `None` if there is only one of the two to do,
    /// or if the new ones would not take all requests of the old ones: then each backend is changed by itself.
    fn shift(&self, set: &str, successor: &Successor) -> Option<ShiftSet> {
        let own = self.backends.iter().filter(|(place, _)| place.backend_set == set);
        let coming: Vec<Flagged> = own
            .map(|(place, target)| Flagged { place: place.clone(), flags: target.flags.clone() })
            .collect();
        let leaving = self.leaving(set);
        let is_replaced =
            |old: &Flagged| coming.iter().any(|new| new.flags.why_no_standin_for(&old.flags).is_none());
        (!leaving.is_empty() && leaving.iter().all(is_replaced)).then(|| ShiftSet {
            load_balancer: self.balancer.clone(),
            backend_set: set.to_owned(),
            coming,
            leaving,
            successor: successor.clone(),
            claim: self.claim.clone(),
        })
    }
}

/// Registers the new backends.
pub(super) async fn register(run: &mut Run<'_, World>, joining: &Joining<'_>) -> Result<(), Stop> {
    let register = run.world().policy.register;
    let sets = joining.sets();
    for (place, target) in &joining.backends {
        // By then the first set has been checked for long enough that a look is worth it.
        let is_last = sets.len() > AHEAD + 1 && sets.last() == Some(&place.backend_set.as_str());
        let next =
            if is_last && run.world().policy.shifts_sets { joining.within(sets[0]) } else { Vec::new() };
        let flags = match register {
            Register::Active if joining.claim.is_none() => target.flags.clone(),
            Register::Active | Register::Drained => target.flags.drained(),
        };
        let register = RegisterBackend {
            place: place.clone(),
            flags: flags.clone(),
            replaces: joining.predecessors(&place.backend_set),
            next,
        };
        let sent = run.change(register).await?;
        let expected = Expected::Backend { place: place.clone(), flags };
        follow(run, sent, place.subject(), expected).await?;
    }
    Ok(())
}

/// Waits until the new backends of all sets are healthy, and lets them take requests.
pub(super) async fn admit_all(
    run: &mut Run<'_, World>,
    joining: &Joining<'_>,
    successor: &Successor,
) -> Result<(), Stop> {
    let waited = joining.backends.iter().filter(|(_, target)| target.is_checked || !joining.is_of_before);
    let places: Vec<Place> = waited.map(|(place, _)| place.clone()).collect();
    ready(run, None, places, Vec::new(), successor, joining.claim()).await?;
    for set in joining.sets() {
        admit(run, joining, set).await?;
    }
    Ok(())
}

/// The longest `min-ready` with which each set is shifted as soon as its own backends are ready.
///
/// The sets are watched one after the other then, each for this time, unless it was seen healthy while the one before it was
/// shifted, which takes ten seconds.
const SOON: Duration = Duration::from_secs(10);
/// How many sets are looked at while the one before them is waited for.
const AHEAD: usize = 2;

/// Waits until the new backends of all sets are ready.
pub(super) async fn all_ready(
    run: &mut Run<'_, World>,
    joining: &Joining<'_>,
    successor: &Successor,
    claim: Option<&Claim>,
) -> Result<(), Stop> {
    let all = joining.places().cloned().collect();
    ready(run, None, all, Vec::new(), successor, claim).await
}

/// Lets requests reach the new version set by set, and takes the old one out of service there. Returns the places of the old
/// instance that are out of service by that.
///
/// A set is shifted as soon as its own backends are ready, unless all of them are ready already. If a later set does not become ready, those before it are given back
/// to the old version, which still runs: no request is lost, but both versions serve for a while, in different sets. To wait
/// for all sets first would leave the load balancer idle for the checks of the last one.
pub(super) async fn shift_each(
    run: &mut Run<'_, World>,
    joining: &Joining<'_>,
    successor: &Successor,
    are_ready: bool,
) -> Result<Vec<Place>, Stop> {
    let is_soon = match run.world().policy.min_ready {
        Some(MinReady::For(time)) => time <= SOON,
        Some(MinReady::Interval) | None => true,
    };
    let sets = joining.sets();
    let is_drained = run.world().policy.register == Register::Drained;
    // Where drained backends are not checked, they are admitted unchecked, as soon as no other run goes first.
    let is_unchecked = !is_drained && joining.claim().is_some();
    if is_unchecked {
        for set in &sets {
            admit(run, joining, set).await?;
        }
    }
    // The other sets follow the first, whose admission decides.
    let claim = joining.claim().filter(|_| !is_unchecked);
    if !is_soon && !are_ready {
        all_ready(run, joining, successor, claim).await?;
    }
    let mut shifted = Vec::new();
    for (n, set) in sets.iter().enumerate() {
        if is_soon && !are_ready {
            let next = sets.iter().skip(n + 1).take(AHEAD).flat_map(|set| joining.within(set));
            let claim = claim.filter(|_| n == 0);
            ready(run, Some(set), joining.within(set), next.collect(), successor, claim).await?;
        }
        match joining.shift(set, successor).filter(|_| is_drained) {
            Some(shift) => shifted.extend(shift_set(run, joining, shift).await?),
            None if is_unchecked => {}
            None => admit(run, joining, set).await?,
        }
    }
    Ok(shifted)
}

/// Shifts one set. Returns the places that are out of service by that.
async fn shift_set(
    run: &mut Run<'_, World>,
    joining: &Joining<'_>,
    shift: ShiftSet,
) -> Result<Vec<Place>, Stop> {
    let (set, load_balancer) = (shift.backend_set.clone(), shift.load_balancer.clone());
    let claim = joining.claim().cloned();
    let leaving = shift.leaving.iter().map(|old| old.place.clone()).collect();
    let (work_request, others, expected) = match run.change(shift).await? {
        Shifted::OneByOne => {
            admit(run, joining, &set).await?;
            return Ok(Vec::new());
        }
        Shifted::Now { work_request: Some(work), others, expected } => (work, others, expected),
        Shifted::Nothing | Shifted::Before | Shifted::Now { work_request: None, .. } => return Ok(leaving),
    };
    let overwritten = run
        .wait(AwaitShift { work_request, load_balancer, backend_set: set, expected, others, claim })
        .await?;
    for one in overwritten {
        let back = PutBack(one);
        let (subject, expected) = (back.0.place.subject(), back.expected());
        let put_back = run.change(back).await?;
        follow(run, put_back, subject, expected).await?;
    }
    Ok(leaving)
}

/// Waits until backends are ready, if there are any.
async fn ready(
    run: &mut Run<'_, World>,
    set: Option<&str>,
    places: Vec<Place>,
    next: Vec<Place>,
    successor: &Successor,
    claim: Option<&Claim>,
) -> Result<(), Stop> {
    if places.is_empty() {
        return Ok(());
    }
    let min_ready = run.world().policy.min_ready;
    let ready = min_ready.map(|min_ready| Conditions { successor: successor.clone(), min_ready, next });
    let set = set.map(ToOwned::to_owned);
    run.wait(AwaitBackends { set, places, ready, claim: claim.cloned() }).await
}

/// Lets the new backends of a set take requests, one by one.
async fn admit(run: &mut Run<'_, World>, joining: &Joining<'_>, set: &str) -> Result<(), Stop> {
    for (place, target) in joining.backends.iter().filter(|(place, _)| place.backend_set == set) {
        let flags = target.flags.clone();
        let replaces = joining.before.iter().any(|old| old.backend_set == place.backend_set);
        let admit = AdmitBackend {
            place: place.clone(),
            flags: flags.clone(),
            replaces,
            predecessors: joining.predecessors(&place.backend_set),
            claim: joining.claim().cloned(),
        };
        let admitted = run.change(admit).await?;
        let expected = Expected::Backend { place: place.clone(), flags };
        follow(run, admitted, place.subject(), expected).await?;
    }
    Ok(())
}
