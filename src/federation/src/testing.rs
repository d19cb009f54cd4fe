//! Data for tests.

use esi_core::{BindingKey, Ends, Generation, Intent, LeaseId, Timestamp};
use esi_ledger::port::{Lease, Owner, State};

/// A live lease of binding `db`, renewable without end.
pub(crate) fn lease() -> Lease {
    Lease {
        intent: Intent {
            installation: "00000000".parse().unwrap(),
            lease: LeaseId::random(),
        },
        key: BindingKey {
            cluster: "dev".parse().unwrap(),
            instance: "pod:1".to_owned(),
            binding: "db".parse().unwrap(),
        },
        owner: Owner {
            namespace: "demo".parse().unwrap(),
            service_account: "app".parse().unwrap(),
            name: "app-0".to_owned(),
            node: None,
        },
        generator: "Fake/demo/x".parse().unwrap(),
        generation: Generation::FIRST,
        state: State::Active,
        acknowledged: true,
        rotation_asked: false,
        handle: None,
        ends: Ends::AtOnce,
        renewable: true,
        begun_at: Timestamp::default(),
        issued_at: None,
        expires_at: None,
        max_expires_at: None,
        alive_until: None,
        end_reason: None,
        attempts: 0,
        last_error: None,
    }
}
