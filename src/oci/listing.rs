//! A list that is read page by page (docs/oci.md 1.2). Its reader can stop or wait between two pages, and a page that fails
//! does not lose the pages before it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Call;
use super::error::OciError;
use super::mask::Mask;
use super::transport::{Answer, Transport, decoded};

/// The most pages of one list, and the most bytes of all of them. A longer list is taken for an endless one.
const PAGES_LIMIT: usize = 1_000;
const LIST_LIMIT: usize = 64 << 20;

type Decode<T> = fn(&Call, Answer<Vec<u8>>, &Mask) -> Result<Vec<T>, OciError>;

/// Whether a list shows a resource as deleted or being deleted.
pub fn is_terminated(resource: &Value) -> bool {
    matches!(resource["lifecycleState"].as_str(), Some("DELETED" | "DELETING"))
}

/// What a list has several of.
pub(super) trait Listed {
    /// Its id, when it has one.
    fn id(&self) -> Option<&str>;
}

impl Listed for Value {
    fn id(&self) -> Option<&str> {
        self["id"].as_str()
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
    n_bytes: usize,
}

/// A list that is being read.
#[must_use = "nothing is sent before a page is turned"]
pub struct Listing<'t, T> {
    transport: &'t Transport,
    call: Call,
    decode: Decode<T>,
    id: fn(&T) -> Option<&str>,
    next: Option<String>,
    n_pages: usize,
    n_bytes: usize,
    items: Vec<T>,
    places: HashMap<String, usize>,
}

impl<'t, T> Listing<'t, T> {
    /// A list whose pages are of the form `P`.
    pub(super) fn of<P: DeserializeOwned + Into<Vec<T>>>(transport: &'t Transport, call: Call) -> Self
    where
        T: Listed,
    {
        let decode: Decode<T> = |call, answer, mask| Ok(decoded::<P>(call, answer, mask)?.value.into());
        Self {
            transport,
            call,
            decode,
            id: T::id,
            next: None,
            n_pages: 0,
            n_bytes: 0,
            items: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Reads the next page with one request. Until that page is added, the same page is read again.
    pub async fn page(&self) -> Result<Page<T>, OciError> {
        if self.n_pages == PAGES_LIMIT {
            return Err(self.endless(format!("more than {PAGES_LIMIT} pages")));
        }
        let call = match &self.next {
            None => self.call.clone(),
            Some(page) => self.call.clone().with_query("page", page.clone()),
        };
        let answer = self.transport.attempt(&call).await?;
        let n_bytes = self.n_bytes + answer.value.len();
        if n_bytes > LIST_LIMIT {
            return Err(self.endless(format!("more than {} MB", LIST_LIMIT >> 20)));
        }
        let next = answer.next_page.clone();
        if next.is_some() && next == self.next {
            return Err(self.endless("a page names itself as the next".to_owned()));
        }
        let items = (self.decode)(&call, answer, self.transport.mask())?;
        Ok(Page { items, next, n_bytes })
    }

    /// Adds a page. Returns whether there is another one. A list that moves between two pages shows something twice: it is
    /// there once, as it was read last.
    pub fn add(&mut self, page: Page<T>) -> bool {
        add(&mut self.items, &mut self.places, self.id, page.items);
        (self.next, self.n_pages, self.n_bytes) = (page.next, self.n_pages + 1, page.n_bytes);
        self.next.is_some()
    }

    /// Reads the next page and adds it. Returns whether there is another one.
    pub async fn turn(&mut self) -> Result<bool, OciError> {
        let page = self.page().await?;
        Ok(self.add(page))
    }

    /// What was read so far.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// What was read.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    fn endless(&self, detail: String) -> OciError {
        let (service, operation) = (self.call.service, self.call.operation);
        OciError::Pagination { service, operation, detail }
    }
}

/// Adds what a page shows to what the pages before it showed.
fn add<T>(items: &mut Vec<T>, places: &mut HashMap<String, usize>, id: fn(&T) -> Option<&str>, page: Vec<T>) {
    for item in page {
        match id(&item).map(|id| places.entry(id.to_owned())) {
            Some(Entry::Occupied(place)) => items[*place.get()] = item,
            Some(Entry::Vacant(place)) => {
                place.insert(items.len());
                items.push(item);
            }
            None => items.push(item),
        }
    }
}

impl<T> fmt::Debug for Listing<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Listing")
            .field("call", &self.call)
            .field("n_pages", &self.n_pages)
            .field("n_items", &self.items.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_two_pages_show_is_there_once_as_it_was_read_last() {
        let mut items: Vec<Value> = Vec::new();
        let mut places = HashMap::new();
        for page in [
            vec![json!({"id": "a", "state": "CREATING"}), json!({"id": "b"}), json!({"name": "none"})],
            vec![json!({"id": "a", "state": "ACTIVE"}), json!({"name": "none"}), json!({"id": "c"})],
        ] {
            add(&mut items, &mut places, Value::id, page);
        }
        let ids: Vec<&Value> = items.iter().map(|item| &item["id"]).collect();
        assert_eq!(json!(ids), json!(["a", "b", null, null, "c"]));
        assert_eq!(items[0]["state"], "ACTIVE");
    }
}
