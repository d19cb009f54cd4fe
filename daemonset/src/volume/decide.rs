//! What a publish has to do, from what is recorded and what is there.

use esi_core::Generation;

use crate::request::{Delivery, Publish};
use crate::state::{Phase, Record};

/// What is at a volume's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is mounted.
    Nothing,
    /// A volume, which shows this generation.
    Volume(Option<Generation>),
    /// Something that is no volume.
    Foreign,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Todo {
    /// Nothing: it is ready.
    Nothing,
    /// Say that it is ready: whoever made it did not come to that.
    Adopt(Option<Generation>),
    /// Make it.
    Make,
    /// Take off what is mounted, and make it.
    Remake,
    /// Refuse: it is published elsewhere.
    OtherTarget,
    /// Refuse: its place is taken.
    Occupied,
}

pub(super) fn decide(record: Option<&Record>, request: &Publish, found: Found) -> Todo {
    if record.is_some_and(|record| record.target != request.target) {
        return Todo::OtherTarget;
    }
    let generation = match found {
        Found::Foreign => return Todo::Occupied,
        Found::Nothing => return Todo::Make,
        Found::Volume(generation) => generation,
    };
    match (record.map(|record| record.phase), request.delivery) {
        (Some(Phase::Ready), _) => Todo::Nothing,
        // What it held is released, or is about to be.
        (Some(Phase::Releasing), _) => Todo::Remake,
        // The init container fills it, or already has.
        (Some(Phase::Publishing) | None, Delivery::Init) => Todo::Adopt(None),
        (Some(Phase::Publishing) | None, Delivery::Node) if generation.is_some() => Todo::Adopt(generation),
        // A volume without content is none, whoever mounted it.
        (Some(Phase::Publishing) | None, Delivery::Node) => Todo::Remake,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use esi_core::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::request::Target;
    use crate::state::test_record;

    const GENERATION: Option<Generation> = Some(Generation::new(3));

    fn request(record: &Record, delivery: Delivery) -> Publish {
        Publish {
            id: record.id.clone(),
            target: record.target.clone(),
            pod: record.pod.clone(),
            delivery,
            plan: record.plan.clone(),
            owner: record.owner,
            tokens: BTreeMap::new(),
        }
    }

    #[rstest]
    #[case::a_new_volume(None, Found::Nothing, Todo::Make, Todo::Make)]
    #[case::a_crash_before_it_was_mounted(Some(Phase::Publishing), Found::Nothing, Todo::Make, Todo::Make)]
    #[case::a_reboot_or_an_unmount_by_hand(Some(Phase::Ready), Found::Nothing, Todo::Make, Todo::Make)]
    #[case::back_after_its_end(Some(Phase::Releasing), Found::Nothing, Todo::Make, Todo::Make)]
    #[case::a_republish(Some(Phase::Ready), Found::Volume(GENERATION), Todo::Nothing, Todo::Nothing)]
    #[case::a_republish_while_init_writes(
        Some(Phase::Ready),
        Found::Volume(None),
        Todo::Nothing,
        Todo::Nothing
    )]
    #[case::a_crash_after_it_was_mounted(
        Some(Phase::Publishing),
        Found::Volume(GENERATION),
        Todo::Adopt(None),
        Todo::Adopt(GENERATION)
    )]
    #[case::mounted_without_content(
        Some(Phase::Publishing),
        Found::Volume(None),
        Todo::Adopt(None),
        Todo::Remake
    )]
    #[case::the_state_is_lost(None, Found::Volume(GENERATION), Todo::Adopt(None), Todo::Adopt(GENERATION))]
    #[case::the_state_is_lost_and_it_is_empty(None, Found::Volume(None), Todo::Adopt(None), Todo::Remake)]
    #[case::a_crash_in_its_end(Some(Phase::Releasing), Found::Volume(GENERATION), Todo::Remake, Todo::Remake)]
    #[case::taken(Some(Phase::Ready), Found::Foreign, Todo::Occupied, Todo::Occupied)]
    fn a_publish_does(
        #[case] phase: Option<Phase>,
        #[case] found: Found,
        #[case] by_init: Todo,
        #[case] by_node: Todo,
    ) {
        let known = test_record();
        let record = phase.map(|phase| known.clone().into_phase(phase, Timestamp::from_secs(0)));
        for (delivery, expected) in [(Delivery::Init, by_init), (Delivery::Node, by_node)] {
            let todo = decide(record.as_ref(), &request(&known, delivery), found);
            assert_eq!(todo, expected, "{delivery:?}");
        }
    }

    #[test]
    fn a_volume_has_one_target() {
        let record = test_record();
        let mut request = request(&record, Delivery::Node);
        request.target = Target::new(record.pod.uid.clone(), "another".to_owned()).unwrap();
        for found in [Found::Nothing, Found::Volume(None), Found::Foreign] {
            assert_eq!(decide(Some(&record), &request, found), Todo::OtherTarget);
        }
    }
}
