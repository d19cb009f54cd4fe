//! Why a request is not one of ours.

use esi_core::names::NameError;
use esi_core::plan::PlanError;
use esi_core::{Classify, Code, Retry, chain};
use thiserror::Error;

use crate::request::Delivery;

/// Why a request is refused before anything is done. The pod's author reads it as an Event of the pod.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A part that every request has is not there.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// kubelet did not say whose volume it is, or it is no inline volume.
    #[error(
        "`{0}` is not said: the CSIDriver object must have `podInfoOnMount: true` and `volumeLifecycleModes: [Ephemeral]`"
    )]
    PodInfo(&'static str),
    /// A name, an id or a path is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The volume is to be used in a way that it cannot.
    #[error("{what} is not supported: {fix}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// A user or a group is none.
    #[error("{what} must be a number of 0 to {max}, in decimal", max = super::read::MAX_ID)]
    Id {
        /// Which.
        what: &'static str,
    },
    /// The target is of another pod than the rest of the request.
    #[error("the target path is another pod's")]
    OtherPod,
    /// A volume attribute that says nothing here.
    #[error("the volume attribute `{0}` is not known: use `plan`, `delivery` and `uid`")]
    Attribute(String),
    /// Neither `init` nor `node`.
    #[error("the volume attribute `delivery` must be `init` or `node`")]
    Delivery,
    /// `csi.readOnly` does not go with the delivery.
    #[error("{}", read_only(.0))]
    ReadOnly(Delivery),
    /// The plan.
    #[error("the volume attribute `plan` cannot be read: {}", chain(.0))]
    Plan(PlanError),
    /// kubelet's tokens: nothing of them is said.
    #[error("kubelet's service account tokens cannot be read")]
    Tokens,
}

fn read_only(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Node => {
            "with the delivery `node` the volume must have `readOnly: true`: only the daemon writes into it"
        }
        Delivery::Init => {
            "with the delivery `init` the volume must not have `readOnly: true`: the init container writes into it"
        }
    }
}

impl Classify for Invalid {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) => "request_incomplete",
            Self::PodInfo(_) => "request_pod_info",
            Self::Name(_) | Self::Id { .. } => "request_name",
            Self::Unsupported { .. } => "request_unsupported",
            Self::OtherPod => "request_other_pod",
            Self::Attribute(_) | Self::Delivery | Self::ReadOnly(_) => "request_attribute",
            Self::Plan(_) => "request_plan",
            Self::Tokens => "request_tokens",
        }
    }
}
