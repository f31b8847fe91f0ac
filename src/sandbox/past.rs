//! Earlier states of the load balancers, for reads that lag in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::state::{Balancers, State};

impl State {
    /// Records the present state of the load balancers. Called after each change.
    pub(super) fn remember(&mut self) {
        let past = &mut self.past.0;
        if self.habits.read_lag_ms == 0 {
            past.clear();
            return;
        }
        if past.last().is_none_or(|(_, last)| !is_shown_alike(last, &self.balancers)) {
            past.push((Instant::now(), Arc::new(self.balancers.clone())));
        }
        if let Some(shown) = shown(past, self.habits.read_lag_ms) {
            past.drain(..shown);
        }
    }

    /// The load balancers as reads show them.
    pub(super) fn shown_balancers(&self) -> &Balancers {
        let past = &self.past.0;
        // Of the states before the lag began, only the last one is known.
        let place = shown(past, self.habits.read_lag_ms).unwrap_or(0);
        past.get(place).map_or(&self.balancers, |(_, balancers)| balancers)
    }
}

fn shown(past: &[(Instant, Arc<Balancers>)], lag_ms: u64) -> Option<usize> {
    let at = Instant::now().checked_sub(Duration::from_millis(lag_ms))?;
    past.iter().rposition(|(since, _)| *since <= at)
}

/// Compares what this module shows. Work requests are not shown from here.
fn is_shown_alike(one: &Balancers, other: &Balancers) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|((_, one), (_, other))| {
            one.id == other.id
                && one.version == other.version
                && one.is_deleted == other.is_deleted
                && one.head == other.head
                && one.sets == other.sets
                && one.listeners.keys().eq(other.listeners.keys())
        })
}
