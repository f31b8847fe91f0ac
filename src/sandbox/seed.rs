//! The resources at the start: a web server in production, and bystanders that nobody may change.

use std::sync::Arc;

use serde_json::json;

use super::made::{address, balancer, ready_instance, serving};
use super::options::Seed;
use super::scenery;
use super::shared::Shared;
use super::state::Backend;

pub(super) fn plant(shared: &Arc<Shared>) {
    if shared.seed == Seed::Empty {
        return;
    }
    let now = shared.now();
    shared.change(|state| {
        let web = ready_instance(shared, state, "webserver", "1", &json!({"env": "prod"}));
        let bystander = ready_instance(shared, state, "bystander", "7", &json!({"team": "other"}));
        let (web_ip, bystander_ip) = (address(state, &web), address(state, &bystander));
        let id = state.ocid("loadbalancer");
        let odd = Backend { weight: 7, max_connections: Some(300), ..serving(&bystander_ip, 80) };
        let sets = [
            ("http", vec![serving(&web_ip, 80)], 80),
            ("admin", Vec::new(), 8080),
            ("other", vec![odd.clone()], 81),
        ];
        let balancer = balancer(&id, "lb", &json!({"env": "prod"}), sets, now);
        state.strangers = vec![
            json!({"instance": bystander}),
            json!({"loadBalancer": id, "backendSet": "other", "backend": odd}),
        ];
        state.seeded = [("loadBalancerId", id.clone()), ("webserverId", web), ("bystanderId", bystander)]
            .map(|(name, id)| (name.to_owned(), id))
            .into();
        state.balancers.insert(id.clone(), balancer);
        if shared.seed == Seed::Crowded {
            scenery::crowd(shared, state, &id);
        }
    });
}
