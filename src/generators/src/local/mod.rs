//! Generators without a backend: `Password`, `UUID` and `Fake`.
//!
//! What they make is known to nobody who could withdraw it: a lease of theirs ends at its expiry, may be renewed
//! for as long as its owner likes, and a revocation has nothing to do.

mod password;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::{Credential, Ends, Handle, Intent, SecretBytes};
use esi_resources::generator::{FakeSpec, PasswordSpec};

use crate::error::GeneratorError;
use crate::port::{Generator, IssueContext, Issued, Nature, Progress, Renewed};

use password::Recipe;

/// One of the three.
pub(crate) struct Local(Source);

enum Source {
    Password { recipe: Recipe, keys: Vec<String> },
    Uuid,
    Fake(BTreeMap<String, String>),
}

impl Local {
    /// `Password`.
    ///
    /// # Errors
    /// `Misconfigured` where no password can be as the manifest says.
    pub(crate) fn password(spec: &PasswordSpec) -> Result<Self, GeneratorError> {
        let mut keys = spec.secret_keys.clone();
        if keys.is_empty() {
            keys.push("password".to_owned());
        }
        let recipe = Recipe::new(spec)?;
        Ok(Self(Source::Password { recipe, keys }))
    }

    /// `UUID`.
    pub(crate) fn uuid() -> Self {
        Self(Source::Uuid)
    }

    /// `Fake`.
    pub(crate) fn fake(spec: &FakeSpec) -> Self {
        Self(Source::Fake(spec.data.clone()))
    }

    fn make(&self) -> Result<Credential, GeneratorError> {
        let mut values = BTreeMap::new();
        let field = match &self.0 {
            Source::Password { recipe, keys } => {
                for key in keys {
                    values.insert(key.clone(), recipe.make()?);
                }
                "spec.secretKeys"
            }
            Source::Uuid => {
                values.insert("uuid".to_owned(), uuid::Uuid::new_v4().to_string().into());
                "spec"
            }
            Source::Fake(data) => {
                values.extend(
                    data.iter()
                        .map(|(key, value)| (key.clone(), SecretBytes::from(value.as_str()))),
                );
                "spec.data"
            }
        };
        Credential::new(values).map_err(|problem| GeneratorError::Misconfigured {
            field,
            problem: Box::new(problem),
        })
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Password { .. } => "Password",
            Source::Uuid => "Uuid",
            Source::Fake(_) => "Fake",
        })
    }
}

#[async_trait]
impl Generator for Local {
    fn nature(&self) -> Nature {
        Nature {
            visibility_lag: Duration::ZERO,
            sweeps_by_name: false,
        }
    }

    async fn issue(&self, cx: &IssueContext<'_>) -> Result<Issued, GeneratorError> {
        Ok(Issued {
            credential: self.make()?,
            handle: Handle::default(),
            expires_in: cx.ttl,
            max_expires_in: None,
            renewable: true,
            ends: Ends::AtExpiry,
        })
    }

    async fn renew(
        &self,
        _intent: &Intent,
        _handle: &Handle,
        ttl: Duration,
    ) -> Result<Renewed, GeneratorError> {
        Ok(Renewed {
            expires_in: ttl,
            max_expires_in: None,
        })
    }

    async fn revoke(
        &self,
        _intent: &Intent,
        _handle: Option<&Handle>,
        _progress: &dyn Progress,
    ) -> Result<(), GeneratorError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_of_a_password_has_a_password_of_its_own() {
        let spec = PasswordSpec {
            secret_keys: vec!["a".to_owned(), "b".to_owned()],
            ..password::tests::spec()
        };
        let credential = Local::password(&spec).unwrap().make().unwrap();
        assert_eq!(credential.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_ne!(credential.get("a"), credential.get("b"));
    }

    #[test]
    fn without_keys_a_password_is_called_password() {
        let credential = Local::password(&password::tests::spec()).unwrap().make().unwrap();
        assert_eq!(credential.keys().collect::<Vec<_>>(), ["password"]);
    }

    #[test]
    fn a_uuid_is_a_new_one_of_version_4() {
        let one = Local::uuid().make().unwrap();
        let text = one.get("uuid").unwrap().expose_str().unwrap();
        assert_eq!(uuid::Uuid::parse_str(text).unwrap().get_version_num(), 4);
        assert_ne!(one, Local::uuid().make().unwrap());
    }

    #[test]
    fn a_fake_is_what_the_manifest_says_and_debug_does_not_show_it() {
        let spec = FakeSpec {
            controller: None,
            data: BTreeMap::from([("k".to_owned(), "hunter2".to_owned())]),
        };
        let fake = Local::fake(&spec);
        assert_eq!(fake.make().unwrap().get("k").unwrap().expose(), b"hunter2");
        assert!(!format!("{fake:?}").contains("hunter2"));
    }

    #[test]
    fn a_fake_with_a_key_that_cannot_be_carried_is_refused_at_its_field() {
        let spec = FakeSpec {
            controller: None,
            data: BTreeMap::from([("a\nb".to_owned(), String::new())]),
        };
        let error = Local::fake(&spec).make().unwrap_err();
        assert!(
            matches!(
                error,
                GeneratorError::Misconfigured {
                    field: "spec.data",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}
