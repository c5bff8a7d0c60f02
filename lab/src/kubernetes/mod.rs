//! The Kubernetes API of each cluster, and what lives in it.
//!
//! `listener` serves it over TLS, `authenticate` and `authorize` decide who may do what, `serve`
//! answers, and `controllers` make things live. All that is inside a cluster is data
//! ([`Inside`]); nothing ticks: what the controllers do by a moment is found out when someone
//! looks, from `timers`.
//!
//! Built-in kinds are those that a platform's base needs; further ones come with their definitions.

mod admission;
mod apply;
mod authenticate;
mod authorize;
mod budgets;
mod cause;
mod changes;
mod controllers;
mod defaults;
mod discovery;
pub(crate) mod facts;
mod fields;
mod files;
mod inside;
mod kinds;
pub(crate) mod listener;
mod logs;
mod object;
mod page;
mod patch;
mod place;
mod planted;
mod pod_security;
mod protobuf;
mod quantity;
mod request;
mod schema;
mod selectors;
mod serve;
mod shell;
mod status;
mod streaming;
mod table;
mod timers;
mod tls;
mod troubles;
mod validate;
mod watch;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;

use self::listener::Place;
use self::serve::Here;
use crate::world::World;

pub(crate) use self::authenticate::Principal;
pub(crate) use self::authorize::User;
pub use self::inside::Inside;
pub use self::planted::{Chart, Planted};
pub use self::tls::{Authority, TlsError};
pub use self::troubles::{Mishap, Trouble};

/// The insides of the clusters of one account in one region, by the clusters' ids.
pub type Region = BTreeMap<String, Inside>;

/// Looks at the inside of a cluster as it is now. `None` if it has no API.
pub(crate) fn visit<T>(
    world: &mut World,
    place: &Place,
    now: Timestamp,
    visit: impl FnOnce(&mut Here<'_>) -> T,
) -> Option<T> {
    let facts = world.facts(&place.account, &place.region, &place.cluster, now)?;
    if facts.id != place.id {
        return None;
    }
    let here = world.region(&place.account, &place.region);
    let inside = here
        .kubernetes
        .entry(place.id.clone())
        .or_insert_with(|| Inside::new(&place.id));
    controllers::settle(inside, &facts, now);
    let visited = visit(&mut Here {
        inside,
        facts: &facts,
        now,
    });
    if facts.groups.iter().any(|group| group.roll.is_some()) {
        let kept = budgets::kept(inside);
        here.eks.keep_pods(&place.cluster, kept);
    }
    Some(visited)
}

impl Here<'_> {
    /// Lets the controllers see what has changed.
    pub(crate) fn settle(&mut self) {
        controllers::settle(self.inside, self.facts, self.now);
    }

    /// When something happens next by itself.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let own = self.inside.timers.next();
        [own, self.facts.next].into_iter().flatten().min()
    }
}

impl World {
    /// The inside of a cluster as it is at a moment of real time; `None` if it has no API.
    pub fn kubernetes(
        &mut self,
        account: &str,
        region: &str,
        cluster: &str,
        real: Timestamp,
    ) -> Option<&mut Inside> {
        let now = self.clock.at(real);
        let id = self.eks(account, region).api_of(cluster, now)?;
        let place = Place {
            account: account.to_owned(),
            region: region.to_owned(),
            cluster: cluster.to_owned(),
            id: id.clone(),
        };
        visit(self, &place, now, |_| ())?;
        let inside = self.region(account, region).kubernetes.get_mut(&id)?;
        inside.stir();
        Some(inside)
    }
}
