//! Rendered outputs to where the workload finds them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use esi_core::names::BindingName;
use esi_core::plan::{EnvMethod, FileMode, RelativePath};
use esi_core::{Generation, Plan, SecretBytes};
use esi_delivery::{DeliveryError, File, Volume, write_env_file};
use esi_render::{RenderError, Rendered, RenderedFile, Variable, environ};
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
    /// Absent where variables go straight into a process, whatever method the plans say: then no file has them.
    env_dir: Option<PathBuf>,
    /// The directories that were made here, to be removed again.
    made: Vec<PathBuf>,
}

/// What one binding delivers, as it is written.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// With that of the variables, where the plan wants it.
    files: Vec<RenderedFile>,
    /// What kubelet reads.
    env_file: Option<SecretBytes>,
    /// For the environment of a process.
    pub(crate) variables: Vec<Variable>,
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

    /// Makes the volume of every plan that needs one and has none. Not for pods: a directory that is no mount
    /// would be filled where nobody looks.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn make_volumes(&mut self, plans: &[Plan]) -> Result<(), (BindingName, DeliverError)> {
        for plan in plans {
            if !self.needs_volume(plan) {
                continue;
            }
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
        if self.needs_volume(plan) {
            let environ = self.has_environ(plan).then(RelativePath::environ);
            let paths = plan.files.iter().map(|file| &file.path).chain(&environ);
            let path = self.volumes.join(plan.binding.as_str());
            Volume::open(&path)
                .and_then(|volume| volume.check(paths))
                .map_err(at(&path))?;
        }
        if let Some(directory) = &self.env_dir
            && plan.has_variables()
            && plan.env_method == EnvMethod::File
        {
            Volume::open(directory)
                .and_then(|directory| directory.check([]))
                .map_err(at(directory))?;
        }
        Ok(())
    }

    /// Puts the variables into the form of the plan's method, unless a process gets them.
    ///
    /// # Errors
    /// If a value does not fit that form.
    pub(crate) fn prepare(&self, plan: &Plan, rendered: Rendered) -> Result<Prepared, DeliverError> {
        let Rendered { mut files, variables } = rendered;
        let mut env_file = None;
        if self.env_dir.is_some() && plan.has_variables() {
            match plan.env_method {
                EnvMethod::File => env_file = Some(esi_render::env_file(&variables)?),
                EnvMethod::Exec => files.push(RenderedFile {
                    path: RelativePath::environ(),
                    mode: plan.env_mode.unwrap_or(FileMode::DEFAULT),
                    content: environ(&variables)?,
                }),
            }
        }
        Ok(Prepared {
            files,
            env_file,
            variables,
        })
    }

    /// Shows the files of a binding, all at once, and then the file of variables that kubelet reads. What there is
    /// none of needs no directory.
    ///
    /// # Errors
    /// If the volume or the env directory is missing, full or not writable.
    pub(crate) fn write(
        &self,
        binding: &BindingName,
        generation: Generation,
        Prepared { files, env_file, .. }: &Prepared,
    ) -> Result<(), DeliverError> {
        if !files.is_empty() {
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
                .map_err(at(&path))?;
        }
        if let (Some(directory), Some(content)) = (&self.env_dir, env_file) {
            Volume::open(directory)
                .and_then(|directory| write_env_file(&directory, &format!("{binding}.env"), content))
                .map_err(at(directory))?;
        }
        Ok(())
    }

    fn needs_volume(&self, plan: &Plan) -> bool {
        !plan.files.is_empty() || self.has_environ(plan)
    }

    fn has_environ(&self, plan: &Plan) -> bool {
        self.env_dir.is_some() && plan.has_environ()
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
        let plan = plan("[]");
        delivery.make_volumes(std::slice::from_ref(&plan)).unwrap();
        let nothing = delivery.prepare(&plan, Rendered::default()).unwrap();
        delivery
            .write(&plan.binding, Generation::FIRST, &nothing)
            .unwrap();
        assert!(!directory.path().join("none").exists());
    }
}
