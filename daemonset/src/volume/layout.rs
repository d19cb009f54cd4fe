//! Who may do what in the root of a volume.
//!
//! A volume is mounted in its pod's containers and nowhere else, and kubelet's directories keep everybody of the node
//! away. What is decided here is which of *these* containers get at the files, and who may write.

use esi_core::Plan;
use esi_core::plan::FileMode;

use crate::mount::Tmpfs;
use crate::request::{Delivery, Owner, Publish};

/// The group may enter and read, and what is made below has the same group.
const GROUP: u32 = 0o2050;
/// So may everybody.
const OTHERS: u32 = 0o005;

/// The file system that a volume gets.
pub(super) fn of(request: &Publish) -> Tmpfs {
    Tmpfs {
        source: request.id.source(),
        mode: mode(request.delivery, request.owner, others_read(&request.plan)),
        user: request.owner.user.unwrap_or(0),
        group: request.owner.group.unwrap_or(0),
    }
}

fn mode(delivery: Delivery, owner: Owner, others_read: bool) -> u32 {
    let others = if others_read { OTHERS } else { 0 };
    let group = owner.group.map_or(0, |_group| GROUP);
    match (delivery, owner.user, owner.group) {
        // Whoever writes is the owner: the daemon, or the init container, whose user the webhook states.
        (_, Some(_), _) | (Delivery::Node, None, Some(_)) => 0o700 | group | others,
        // Nothing is known of the readers but that they are in this pod.
        (Delivery::Node, None, None) => 0o700 | 0o050 | OTHERS,
        // A pod that the webhook did not write: its init container is in the group, or anybody. Sticky, so that what
        // one container made is not another's to remove.
        (Delivery::Init, None, Some(_)) => 0o1770 | group | others,
        (Delivery::Init, None, None) => 0o1777,
    }
}

/// Whether a file of the plan lets others read, who must then get to it.
fn others_read(plan: &Plan) -> bool {
    plan.files
        .iter()
        .map(|file| file.mode)
        .chain([plan.env_mode])
        .any(|mode| mode.is_some_and(|mode: FileMode| mode.bits() & 0o004 != 0))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::only_its_user(Delivery::Node, Some(1000), None, false, 0o0700)]
    #[case::its_user_and_group(Delivery::Node, Some(1000), Some(2000), false, 0o2750)]
    #[case::its_user_and_whoever_may_read_a_file(Delivery::Init, Some(65532), None, true, 0o0705)]
    #[case::only_its_group(Delivery::Node, None, Some(2000), false, 0o2750)]
    #[case::anybody_in_the_pod(Delivery::Node, None, None, false, 0o0755)]
    #[case::init_writes_as_its_user(Delivery::Init, Some(1000), None, false, 0o0700)]
    #[case::init_writes_as_its_user_for_a_group(Delivery::Init, Some(1000), Some(2000), false, 0o2750)]
    #[case::init_writes_in_its_group(Delivery::Init, None, Some(2000), false, 0o3770)]
    #[case::init_writes_as_anybody(Delivery::Init, None, None, false, 0o1777)]
    fn the_root_is_for(
        #[case] delivery: Delivery,
        #[case] user: Option<u32>,
        #[case] group: Option<u32>,
        #[case] others_read: bool,
        #[case] expected: u32,
    ) {
        let mode = mode(delivery, Owner { user, group }, others_read);
        assert_eq!(mode, expected, "{mode:o} is not {expected:o}");
    }
}
