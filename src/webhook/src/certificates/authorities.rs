//! Which authorities there are, and what time makes of them: values, no I/O.
//!
//! ```text
//!   current ───────────────── RENEW_BEFORE_END ──▶ current + next
//!      ▲                                                │ PROPAGATION, and both are in the bundle
//!      └────────── OVERLAP ─────── current + previous ◀─┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use esi_core::Timestamp;
use esi_runtime::TlsError;
use esi_runtime::tls::Authority;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an authority lives: long enough that a cluster may be switched off for months.
pub const LIFE: Duration = DAY.saturating_mul(365);
/// When its successor is made.
pub const RENEW_BEFORE_END: Duration = DAY.saturating_mul(90);
/// How long a successor is in the bundle before it mints: API servers and the other replicas see a change within
/// seconds; an hour allows for one that is cut off.
pub const PROPAGATION: Duration = Duration::from_secs(60 * 60);
/// How long a predecessor stays in the bundle: as long as the longest leaf that it has minted.
pub const OVERLAP: Duration = DAY.saturating_mul(30);

/// The authorities of one moment.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// The one that mints.
    pub current: Arc<Authority>,
    /// The one that will, trusted beforehand.
    pub next: Option<Arc<Authority>>,
    /// The certificate of the one that did, in PEM.
    pub previous: Option<String>,
}

impl Authorities {
    /// The first.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn begin(now: Timestamp) -> Result<Self, TlsError> {
        Ok(Self {
            current: Arc::new(Authority::generate(now, LIFE)?),
            next: None,
            previous: None,
        })
    }

    /// What must be trusted now, in PEM.
    #[must_use]
    pub fn bundle(&self) -> String {
        let Self {
            current,
            next,
            previous,
        } = self;
        let mut bundle = current.certificate_pem().to_owned();
        bundle.extend(next.iter().map(|next| next.certificate_pem()));
        bundle.extend(previous.iter().map(String::as_str));
        bundle
    }

    /// What should be from now on, where it is not what is. `in_place` says whether everybody is told to trust
    /// [`Authorities::bundle`].
    ///
    /// # Errors
    /// If no key can be made.
    pub fn step(&self, now: Timestamp, in_place: bool) -> Result<Option<Self>, TlsError> {
        let Self {
            current,
            next,
            previous,
        } = self;
        if current.not_after() <= now {
            // Nobody was there to replace it in time: nothing that it minted is valid any more.
            return Ok(Some(Self {
                current: match next {
                    Some(next) if next.not_after() > now => Arc::clone(next),
                    _ => Arc::new(Authority::generate(now, LIFE)?),
                },
                next: None,
                previous: None,
            }));
        }
        if let Some(next) = next {
            let promoted = in_place && next.made() + PROPAGATION <= now;
            return Ok(promoted.then(|| Self {
                current: Arc::clone(next),
                next: None,
                previous: Some(current.certificate_pem().to_owned()),
            }));
        }
        if current.not_after().before(RENEW_BEFORE_END) <= now {
            return Ok(Some(Self {
                next: Some(Arc::new(Authority::generate(now, LIFE)?)),
                ..self.clone()
            }));
        }
        let over = current.made() + PROPAGATION + OVERLAP <= now;
        Ok((previous.is_some() && over).then(|| Self {
            previous: None,
            ..self.clone()
        }))
    }
}
