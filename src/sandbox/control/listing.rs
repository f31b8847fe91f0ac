//! The parameters of a list: compartment, filters and order (docs/oci.md 1.3 to 1.6).

use serde_json::Value;

use crate::sandbox::state::is_compartment;
use crate::sandbox::wire::{Reply, Request};

/// An order in which a list can be sorted.
pub(super) struct Sort {
    /// Its name in `sortBy`.
    name: &'static str,
    field: &'static str,
    /// Whether the greatest comes first unless `sortOrder` says otherwise.
    is_descending: bool,
}

impl Sort {
    pub(super) const fn newest_first(name: &'static str, field: &'static str) -> Self {
        Self { name, field, is_descending: true }
    }

    pub(super) const fn ascending(name: &'static str, field: &'static str) -> Self {
        Self { name, field, is_descending: false }
    }
}

/// The parameters that a list takes.
pub(super) struct Listing<'l> {
    /// Query parameters that must equal the field of the same name.
    pub(super) filters: &'l [&'l str],
    /// A filter, and the values of it that the service knows.
    pub(super) states: Option<(&'l str, &'l [&'l str])>,
    /// The first is the default. If empty, the order stays as it is.
    pub(super) sorts: &'l [Sort],
}

/// The compartment of a list. It must be given and exist.
pub(super) fn compartment(request: &Request) -> Result<&str, Reply> {
    let Some(compartment) = request.query("compartmentId") else {
        return Err(Reply::missing("compartmentId"));
    };
    if is_compartment(compartment) { Ok(compartment) } else { Err(Reply::not_found()) }
}

impl Listing<'_> {
    /// The items that the request asks for. `items` is sorted by age, oldest first.
    pub(super) fn of(&self, request: &Request, mut items: Vec<Value>) -> Result<Vec<Value>, Reply> {
        if let Some((name, known)) = self.states
            && let Some(wanted) = request.query(name)
        {
            one_of(name, wanted, known)?;
        }
        for filter in self.filters {
            if let Some(wanted) = request.query(filter) {
                items.retain(|item| item[*filter] == wanted);
            }
        }
        let Some(first) = self.sorts.first() else { return Ok(items) };
        let names: Vec<&str> = self.sorts.iter().map(|sort| sort.name).collect();
        let wanted = request.query("sortBy").unwrap_or(first.name);
        one_of("sortBy", wanted, &names)?;
        let sort = self.sorts.iter().find(|sort| sort.name == wanted).unwrap_or(first);
        let is_descending = match request.query("sortOrder") {
            None => sort.is_descending,
            Some(order) => {
                one_of("sortOrder", order, &["ASC", "DESC"])?;
                order == "DESC"
            }
        };
        // All times have the same form, so they sort as texts.
        items.sort_by(|one, other| one[sort.field].as_str().cmp(&other[sort.field].as_str()));
        if is_descending {
            items.reverse();
        }
        Ok(items)
    }
}

/// Refuses a word that the service does not know.
pub(super) fn one_of(name: &str, value: &str, known: &[&str]) -> Result<(), Reply> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(Reply::invalid(format!("{name} must be one of {}, and is '{value}'", known.join(", "))))
}
