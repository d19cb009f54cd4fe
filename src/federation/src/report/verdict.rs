//! What to do with one binding: a pure function of its lease, its authorization and the time.

use std::time::Duration;

use esi_core::Timestamp;
use esi_ledger::port::Lease;

/// What to do with one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// How long it can go on, where it is live.
    pub life: Option<Life>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go on.
    Keep,
    /// Get a new generation: this one ends, or has ended.
    Rotate,
    /// Get a new generation: a person asked for it.
    RotateAsked,
    /// The caller cannot speak for such a generation.
    Unknown,
}

/// How long a live lease can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Time left, as things are.
    pub expires_in: Duration,
    /// Whether the server goes on to prolong it.
    pub renewable: bool,
    /// Until when it can be prolonged; `None`: without end.
    pub max_expires_in: Option<Duration>,
}

impl Verdict {
    /// There is nothing of which the caller may speak.
    pub const UNKNOWN: Self = Self {
        action: Action::Unknown,
        life: None,
    };
    /// It is not live.
    pub const OVER: Self = Self {
        action: Action::Rotate,
        life: None,
    };

    /// On an active lease. One that the server goes on renewing is kept; one that nears an end it cannot move is
    /// rotated once two thirds of its life are over, so that a backend that is down for a while does not cost the
    /// workload its credential.
    #[must_use]
    pub fn on(lease: &Lease, authorised: bool, now: Timestamp) -> Self {
        let Lease {
            issued_at: Some(issued),
            expires_at: Some(expires),
            renewable,
            max_expires_at,
            rotation_asked,
            ..
        } = lease
        else {
            return Self::OVER;
        };
        let left = expires.since(now);
        let renewable = authorised && *renewable && max_expires_at.is_none_or(|max| max > *expires);
        let life = expires.since(*issued);
        let action = if !renewable && left <= life / 3 {
            Action::Rotate
        } else if *rotation_asked {
            Action::RotateAsked
        } else {
            Action::Keep
        };
        Self {
            action,
            life: Some(Life {
                expires_in: left,
                renewable,
                max_expires_in: max_expires_at.map(|max| max.since(now)),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    /// A lease with an hour of life, of which `left` seconds are left.
    fn lease(left: u64, change: impl FnOnce(&mut Lease)) -> Lease {
        let expires_at = NOW + Duration::from_secs(left);
        let mut lease = Lease {
            issued_at: Some(expires_at.before(Duration::from_secs(3600))),
            expires_at: Some(expires_at),
            ..crate::testing::lease()
        };
        change(&mut lease);
        lease
    }

    fn action(lease: &Lease, authorised: bool) -> Action {
        let verdict = Verdict::on(lease, authorised, NOW);
        let left = lease.expires_at.map(|at| at.since(NOW));
        assert_eq!(
            verdict.life.map(|life| life.expires_in),
            left,
            "it is always told"
        );
        verdict.action
    }

    #[test]
    fn a_lease_that_can_be_renewed_is_kept_to_its_last_second() {
        assert_eq!(action(&lease(1, |_| {}), true), Action::Keep);
    }

    #[test]
    fn a_lease_that_cannot_be_renewed_is_rotated_in_the_last_third_of_its_life() {
        let fixed = |lease: &mut Lease| lease.renewable = false;
        assert_eq!(action(&lease(1201, fixed), true), Action::Keep);
        assert_eq!(action(&lease(1200, fixed), true), Action::Rotate);
    }

    #[test]
    fn a_lease_at_its_maximum_is_rotated_although_it_could_be_renewed() {
        let at_maximum = |lease: &mut Lease| lease.max_expires_at = lease.expires_at;
        assert_eq!(action(&lease(60, at_maximum), true), Action::Rotate);
    }

    #[test]
    fn a_lease_whose_authorization_is_withdrawn_runs_out() {
        assert_eq!(action(&lease(1800, |_| {}), false), Action::Keep);
        assert_eq!(action(&lease(60, |_| {}), false), Action::Rotate);
    }

    #[test]
    fn a_rotation_that_is_asked_for_is_told_from_an_end_that_nears() {
        let asked = |lease: &mut Lease| lease.rotation_asked = true;
        assert_eq!(action(&lease(3600, asked), true), Action::RotateAsked);
        let ending = |lease: &mut Lease| {
            lease.rotation_asked = true;
            lease.renewable = false;
        };
        assert_eq!(action(&lease(60, ending), true), Action::Rotate);
    }

    #[test]
    fn it_is_said_whether_and_until_when_the_server_prolongs_it() {
        let life = |change: fn(&mut Lease), authorised| {
            let life = Verdict::on(&lease(60, change), authorised, NOW).life.unwrap();
            (life.renewable, life.max_expires_in.map(|span| span.as_secs()))
        };
        assert_eq!(life(|_| {}, true), (true, None));
        assert_eq!(life(|_| {}, false), (false, None), "its rights are gone");
        let later = |lease: &mut Lease| lease.max_expires_at = Some(NOW + Duration::from_secs(90));
        assert_eq!(life(later, true), (true, Some(90)));
        let reached = |lease: &mut Lease| lease.max_expires_at = lease.expires_at;
        assert_eq!(life(reached, true), (false, Some(60)));
    }
}
