//! Rendered outputs to where the workload finds them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use esi_core::names::BindingName;
use esi_core::{Generation, Plan};
use esi_delivery::{DeliveryError, File, Volume, write_env_file};
use esi_render::{RenderError, RenderedFile, Variable, env_file};
use thiserror::Error;

/// Only the user who runs the command: nobody else has a reason to look.
const MADE_MODE: u32 = 0o700;

/// Why a credential is not where its plan wants it.
#[derive(Debug, Error)]
pub(crate) enum DeliverError {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("{path}")]
    Write {
        path: String,
        #[source]
        source: DeliveryError,
    },
    #[error("the directory {path} cannot be made: name another place with --volumes (ESI_VOLUMES)")]
    Make {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Where volumes and env files are.
#[derive(Debug)]
pub(crate) struct Delivery {
    volumes: PathBuf,
    /// Absent where variables go straight into a process.
    env_dir: Option<PathBuf>,
    /// The directories that were made here, to be removed again.
    made: Vec<PathBuf>,
}

impl Delivery {
    /// Files below `volumes`, and env files in `env_dir` where there is one.
    pub(crate) fn new(volumes: PathBuf, env_dir: Option<PathBuf>) -> Self {
        Self {
            volumes,
            env_dir,
            made: Vec::new(),
        }
    }

    /// Makes the volume of every plan with files that has none. Not for pods: a directory that is no mount
    /// would be filled where nobody looks.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn make_volumes(&mut self, plans: &[Plan]) -> Result<(), (BindingName, DeliverError)> {
        for plan in plans.iter().filter(|plan| !plan.files.is_empty()) {
            let path = self.volumes.join(plan.binding.as_str());
            match make(&path) {
                Ok(true) => self.made.push(path),
                Ok(false) => {}
                Err(source) => {
                    let path = path.display().to_string();
                    return Err((plan.binding.clone(), DeliverError::Make { path, source }));
                }
            }
        }
        Ok(())
    }

    /// Removes what [`make_volumes`](Self::make_volumes) made. What cannot be removed holds credentials that have
    /// ended.
    pub(crate) fn remove_made(&self) -> io::Result<()> {
        self.made
            .iter()
            .map(std::fs::remove_dir_all)
            .fold(Ok(()), io::Result::and)
    }

    /// Refuses a plan whose outputs have no place, before there are any.
    ///
    /// # Errors
    /// If the volume or the env directory that it needs is missing or not writable, or a name in it is taken.
    pub(crate) fn check_places(&self, plan: &Plan) -> Result<(), DeliverError> {
        if !plan.files.is_empty() {
            let path = self.volumes.join(plan.binding.as_str());
            Volume::open(&path)
                .and_then(|volume| volume.check(plan.files.iter().map(|file| &file.path)))
                .map_err(at(&path))?;
        }
        if let Some(directory) = &self.env_dir
            && !plan.env.is_empty()
        {
            Volume::open(directory)
                .and_then(|directory| directory.check([]))
                .map_err(at(directory))?;
        }
        Ok(())
    }

    /// Shows the files of a binding, all at once. A binding without files needs no volume.
    ///
    /// # Errors
    /// If the volume is missing, full or not writable.
    pub(crate) fn files(
        &self,
        binding: &BindingName,
        generation: Generation,
        files: &[RenderedFile],
    ) -> Result<(), DeliverError> {
        if files.is_empty() {
            return Ok(());
        }
        let files: Vec<File<'_>> = files
            .iter()
            .map(|file| File {
                path: &file.path,
                mode: file.mode,
                content: &file.content,
            })
            .collect();
        let path = self.volumes.join(binding.as_str());
        Volume::open(&path)
            .and_then(|volume| volume.write(generation, &files))
            .map_err(at(&path))
    }

    /// Writes the variables of a binding for kubelet, where env files are wanted. Without variables there is
    /// no file: nothing refers to it.
    ///
    /// # Errors
    /// If a value does not fit kubelet's grammar, or the directory is missing, full or not writable.
    pub(crate) fn env_file(&self, binding: &BindingName, variables: &[Variable]) -> Result<(), DeliverError> {
        let Some(directory) = &self.env_dir else {
            return Ok(());
        };
        if variables.is_empty() {
            return Ok(());
        }
        let content = env_file(variables)?;
        Volume::open(directory)
            .and_then(|directory| write_env_file(&directory, &format!("{binding}.env"), &content))
            .map_err(at(directory))
    }

    /// Refuses variables that could not be written, before anything is.
    ///
    /// # Errors
    /// If env files are wanted, and a value does not fit kubelet's grammar.
    pub(crate) fn check(&self, variables: &[Variable]) -> Result<(), DeliverError> {
        if self.env_dir.is_some() {
            env_file(variables)?;
        }
        Ok(())
    }
}

fn at(path: &Path) -> impl FnOnce(DeliveryError) -> DeliverError {
    let path = path.display().to_string();
    move |source| DeliverError::Write { path, source }
}

/// Makes a directory with all that leads to it, and tells whether it was missing.
fn make(path: &Path) -> io::Result<bool> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(MADE_MODE).create(parent)?;
    }
    match DirBuilder::new().mode(MADE_MODE).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(files: &str) -> Plan {
        Plan::parse(&format!(
            r#"{{"version":1,"binding":"db","source":{{"generator":{{"kind":"A","namespace":"b","name":"c"}}}},"files":{files}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_volume_that_was_made_is_removed_and_one_that_was_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let volumes = directory.path().join("a/b");
        let plans = [plan(r#"[{"path":"x","format":"json"}]"#)];
        let mut delivery = Delivery::new(volumes.clone(), None);
        delivery.make_volumes(&plans).unwrap();
        let mut second = Delivery::new(volumes.clone(), None);
        second.make_volumes(&plans).unwrap();
        second.remove_made().unwrap();
        assert!(volumes.join("db").is_dir());
        delivery.remove_made().unwrap();
        assert!(!volumes.join("db").exists());
    }

    #[test]
    fn a_plan_without_files_needs_no_volume() {
        let directory = tempfile::tempdir().unwrap();
        let mut delivery = Delivery::new(directory.path().join("none"), None);
        delivery.make_volumes(&[plan("[]")]).unwrap();
        delivery
            .files(&"db".parse().unwrap(), Generation::FIRST, &[])
            .unwrap();
        assert!(!directory.path().join("none").exists());
    }
}
