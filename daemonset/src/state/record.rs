//! What is known of one volume.

use std::error::Error;

use esi_core::names::NameError;
use esi_core::{Generation, Plan, Timestamp};
use serde::{Deserialize, Serialize};

use super::boot::BootId;
use super::error::StateError;
use crate::request::{Delivery, Owner, Pod, Publish, Target, VolumeId};

/// The version that this daemon writes. Fields may be added to it; what changes the meaning of one needs another.
const VERSION: u32 = 1;

/// What is known of one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which volume.
    pub id: VolumeId,
    /// Where.
    pub target: Target,
    /// Whose.
    pub pod: Pod,
    /// With what.
    pub plan: Plan,
    /// Who fills it.
    pub delivery: Delivery,
    /// Who may read it.
    pub owner: Owner,
    /// How far it is.
    pub phase: Phase,
    /// The generation that it shows, or last showed, where the daemon knows.
    pub generation: Option<Generation>,
    /// In which life of the node it was mounted.
    pub boot: BootId,
    /// When the phase began.
    pub at: Timestamp,
}

/// How far a volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is being made; a credential may have been issued for it.
    Publishing,
    /// It is mounted and, for delivery `node`, filled.
    Ready,
    /// It is gone, or going, and the server is to be told.
    Releasing,
}

impl Record {
    /// That a volume is about to be made as it was asked for.
    #[must_use]
    pub fn publishing(request: &Publish, boot: &BootId, at: Timestamp) -> Self {
        Self {
            id: request.id.clone(),
            target: request.target.clone(),
            pod: request.pod.clone(),
            plan: request.plan.clone(),
            delivery: request.delivery,
            owner: request.owner,
            phase: Phase::Publishing,
            // A credential that is about to be issued has a generation that is not known yet. Should this volume end
            // before it is, whatever the pod has of the binding is to be released.
            generation: None,
            boot: boot.clone(),
            at,
        }
    }

    /// The same volume in another phase.
    #[must_use]
    pub fn into_phase(self, phase: Phase, at: Timestamp) -> Self {
        Self { phase, at, ..self }
    }

    /// The text of its file.
    #[must_use]
    pub(super) fn to_json(&self) -> Vec<u8> {
        let raw = Raw {
            version: VERSION,
            id: self.id.clone(),
            volume: self.target.volume().to_owned(),
            pod: self.pod.clone(),
            plan: self.plan.to_json(),
            delivery: self.delivery,
            owner: self.owner,
            phase: self.phase,
            generation: self.generation,
            boot: self.boot.clone(),
            at: self.at.as_secs(),
        };
        // A struct of strings and numbers always serialises.
        serde_json::to_vec(&raw).unwrap_or_default()
    }

    /// Reads the text of a file. Fields that it does not know are of a newer daemon and change nothing of the others.
    pub(super) fn parse(text: &[u8]) -> Result<Self, StateError> {
        let Version { version } = serde_json::from_slice(text).map_err(broken)?;
        if version > VERSION {
            return Err(StateError::Newer { version });
        }
        let raw: Raw = serde_json::from_slice(text).map_err(broken)?;
        let target =
            Target::new(raw.pod.uid.clone(), raw.volume).map_err(|error: NameError| broken(error))?;
        Ok(Self {
            id: raw.id,
            target,
            plan: Plan::parse(&raw.plan).map_err(broken)?,
            pod: raw.pod,
            delivery: raw.delivery,
            owner: raw.owner,
            phase: raw.phase,
            generation: raw.generation,
            boot: raw.boot,
            at: Timestamp::from_secs(raw.at),
        })
    }
}

pub(super) fn broken(error: impl Error + Send + Sync + 'static) -> StateError {
    StateError::Broken(Box::new(error))
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The file. The target's path is put together from the pod's UID and the volume's name, so no file can make the
/// daemon go elsewhere.
#[derive(Serialize, Deserialize)]
struct Raw {
    version: u32,
    id: VolumeId,
    volume: String,
    pod: Pod,
    /// The plan's own JSON, whose versions are its own.
    plan: String,
    delivery: Delivery,
    owner: Owner,
    phase: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<Generation>,
    boot: BootId,
    /// Seconds since 1970.
    at: i64,
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;

    pub(crate) fn record() -> Record {
        let plan = r#"{"version":1,"binding":"db","server":"default","source":{"generator":{"kind":"PostgreSQL","namespace":"platform","name":"shop"}},"files":[{"path":"p","key":"password"}]}"#;
        let pod = Pod {
            namespace: "shop".parse().unwrap(),
            name: "web-0".parse().unwrap(),
            uid: "0b4b3b2e-1".parse().unwrap(),
            service_account: "web".parse().unwrap(),
        };
        Record {
            id: format!("csi-{}", "0f".repeat(32)).parse().unwrap(),
            target: Target::new(pod.uid.clone(), "esi-db".to_owned()).unwrap(),
            pod,
            plan: Plan::parse(plan).unwrap(),
            delivery: Delivery::Node,
            owner: Owner {
                user: Some(1000),
                group: None,
            },
            phase: Phase::Ready,
            generation: Some(Generation::new(3)),
            boot: BootId::new("b"),
            at: Timestamp::from_secs(1_700_000_000),
        }
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Result<Record, StateError> {
        let mut value: Value = serde_json::from_slice(&record().to_json()).unwrap();
        change(&mut value);
        Record::parse(&serde_json::to_vec(&value).unwrap())
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for phase in [Phase::Publishing, Phase::Ready, Phase::Releasing] {
            let record = record().into_phase(phase, Timestamp::from_secs(5));
            assert_eq!(Record::parse(&record.to_json()).unwrap(), record);
        }
    }

    #[test]
    fn a_newer_daemon_may_have_added_fields() {
        let read = changed(|value| value["added"] = Value::from(1)).unwrap();
        assert_eq!(read, record());
    }

    #[test]
    fn a_newer_version_is_said_to_be_one() {
        let error = changed(|value| value["version"] = Value::from(2)).unwrap_err();
        assert!(matches!(error, StateError::Newer { version: 2 }), "{error}");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        type Change = fn(&mut Value);
        let changes: [Change; 7] = [
            |value| value["version"] = Value::from("1"),
            |value| value["id"] = Value::from("../x"),
            |value| value["volume"] = Value::from("../../etc"),
            |value| value["pod"]["uid"] = Value::from(".."),
            |value| value["plan"] = Value::from("{}"),
            |value| value["phase"] = Value::from("gone"),
            |value| *value = Value::Null,
        ];
        for change in changes {
            let error = changed(change).unwrap_err();
            assert!(matches!(error, StateError::Broken(_)), "{error}");
        }
        assert!(Record::parse(b"").is_err());
    }
}
