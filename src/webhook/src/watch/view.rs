//! What one watch has shown so far: events in, a map out.

use std::collections::BTreeMap;
use std::mem;

use kube::runtime::watcher::Event;

/// The objects of one watch. Invariant: it is a complete list or, before the first one has ended, empty; while a watch
/// begins anew, the last complete list stays.
#[derive(Debug)]
pub(super) struct View<K, V> {
    entries: BTreeMap<K, V>,
    listing: BTreeMap<K, V>,
    complete: bool,
}

/// What an event changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed<V> {
    /// Nothing.
    Nothing,
    /// One object: what it was, and what it is.
    One(Option<V>, Option<V>),
    /// The whole list.
    List,
}

impl<K, V> Default for View<K, V> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            listing: BTreeMap::new(),
            complete: false,
        }
    }
}

impl<K: Ord, V: Clone + PartialEq> View<K, V> {
    /// Takes what happened. An object without a value is known, and of no interest.
    pub(super) fn apply(&mut self, event: Event<(K, Option<V>)>) -> Changed<V> {
        match event {
            Event::Init => {
                self.listing = BTreeMap::new();
                Changed::Nothing
            }
            Event::InitApply((key, value)) => {
                if let Some(value) = value {
                    self.listing.insert(key, value);
                }
                Changed::Nothing
            }
            Event::InitDone => {
                let listed = mem::take(&mut self.listing);
                if mem::replace(&mut self.complete, true) && listed == self.entries {
                    return Changed::Nothing;
                }
                self.entries = listed;
                Changed::List
            }
            Event::Apply((key, Some(value))) => {
                let old = self.entries.insert(key, value.clone());
                if old.as_ref() == Some(&value) {
                    return Changed::Nothing;
                }
                Changed::One(old, Some(value))
            }
            Event::Apply((key, None)) | Event::Delete((key, _)) => match self.entries.remove(&key) {
                None => Changed::Nothing,
                old => Changed::One(old, None),
            },
        }
    }

    /// The objects.
    pub(super) fn entries(&self) -> &BTreeMap<K, V> {
        &self.entries
    }

    /// Whether a list was ever complete.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(events: impl IntoIterator<Item = Event<(u8, Option<char>)>>) -> View<u8, char> {
        let mut view = View::default();
        for event in events {
            view.apply(event);
        }
        view
    }

    fn listed() -> View<u8, char> {
        view([
            Event::Init,
            Event::InitApply((1, Some('a'))),
            Event::InitApply((2, None)),
            Event::InitDone,
        ])
    }

    #[test]
    fn nothing_is_shown_of_a_list_before_its_end() {
        let beginning = view([Event::Init, Event::InitApply((1, Some('a')))]);
        assert!(beginning.entries().is_empty() && !beginning.is_complete());
        assert!(listed().is_complete());
        assert_eq!(listed().entries(), &[(1, 'a')].into());
    }

    #[test]
    fn an_empty_list_is_complete_too() {
        let mut view = view([Event::Init]);
        assert_eq!(view.apply(Event::InitDone), Changed::List);
        assert!(view.is_complete());
    }

    #[test]
    fn the_last_list_stays_until_a_new_one_is_complete_however_often_that_begins() {
        let mut view = listed();
        for _ in 0..2 {
            view.apply(Event::Init);
            view.apply(Event::InitApply((3, Some('c'))));
            assert_eq!(view.entries(), &[(1, 'a')].into());
        }
        view.apply(Event::Init);
        view.apply(Event::InitApply((4, Some('d'))));
        assert_eq!(view.apply(Event::InitDone), Changed::List);
        // What was deleted meanwhile, and what a broken list had shown, is not there.
        assert_eq!(view.entries(), &[(4, 'd')].into());
    }

    #[test]
    fn a_change_says_what_was_and_what_is() {
        let mut view = listed();
        assert_eq!(
            view.apply(Event::Apply((1, Some('b')))),
            Changed::One(Some('a'), Some('b'))
        );
        assert_eq!(
            view.apply(Event::Apply((2, Some('n')))),
            Changed::One(None, Some('n'))
        );
        assert_eq!(view.apply(Event::Apply((2, None))), Changed::One(Some('n'), None));
        assert_eq!(
            view.apply(Event::Delete((1, None))),
            Changed::One(Some('b'), None)
        );
        assert!(view.entries().is_empty());
    }

    #[test]
    fn what_is_as_it_was_is_no_change() {
        let mut view = listed();
        for event in [
            Event::Apply((1, Some('a'))),
            Event::Apply((7, None)),
            Event::Delete((7, Some('x'))),
            Event::Init,
            Event::InitApply((1, Some('a'))),
            Event::InitDone,
        ] {
            assert_eq!(view.apply(event), Changed::Nothing);
        }
    }
}
