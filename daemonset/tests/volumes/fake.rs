//! Stand-ins for whoever is beside the volumes. What they are told goes into a file, so that it outlasts a process.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use esi_core::plan::FileMode;
use esi_core::{Checkpoint, Classify, Code, Generation, Retry, SecretBytes};
use esi_delivery::{File, Volume, act_as};
use esi_node::fill::{Fill, FillError, Filled};
use esi_node::request::{Owner, Publish, VolumeId};
use esi_node::volume::Keep;
use tokio::sync::{Notify, Semaphore};

/// Lines that are only added to.
#[derive(Debug, Clone)]
pub(crate) struct Journal(PathBuf);

impl Journal {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn add(&self, line: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.0)
            .unwrap();
        // In one write, which nothing of another thread's comes into.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn count(&self, word: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(word)).count()
    }
}

/// How filling goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Well,
    Refused,
    /// Until [`FakeFill::permit`] is given a permit.
    Waits,
}

/// Fills with the file `password`, whose content is `generation <n>`.
#[derive(Debug)]
pub(crate) struct FakeFill {
    pub(crate) way: Way,
    pub(crate) journal: Journal,
    pub(crate) begun: Arc<Notify>,
    pub(crate) permits: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
#[error("the server refuses")]
struct Refused;

impl Classify for Refused {
    fn code(&self) -> Code {
        Code::PermissionDenied
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "refused"
    }
}

#[async_trait]
impl Fill for FakeFill {
    async fn fill(&self, volume: &Publish, root: OwnedFd) -> Result<Filled, FillError> {
        self.journal.add(&format!("issue {}", volume.id));
        self.begun.notify_one();
        match self.way {
            Way::Well => {}
            Way::Refused => return Err(FillError::new(Refused)),
            Way::Waits => self.permits.acquire().await.unwrap().forget(),
        }
        let generation = Generation::new(u64::try_from(self.journal.count("issue")).unwrap());
        let volume = Volume::from_fd(root);
        write(&volume, generation);
        Ok(Filled {
            generation,
            expires_in: None,
        })
    }

    async fn shown(&self, _volume: &Publish, filled: &Filled) {
        self.journal.add(&format!("shown {}", filled.generation));
    }

    async fn give_back(&self, volume: &Publish) {
        self.journal.add(&format!("give back {}", volume.id));
    }
}

/// One generation with one file, as root.
pub(crate) fn write(volume: &Volume, generation: Generation) {
    write_as(volume, generation, Owner::default()).unwrap();
}

/// The same as somebody else.
pub(crate) fn write_as(
    volume: &Volume,
    generation: Generation,
    owner: Owner,
) -> Result<(), esi_delivery::DeliveryError> {
    let path = "password".parse().unwrap();
    let content = SecretBytes::from(format!("generation {generation}").as_str());
    let file = File {
        path: &path,
        mode: FileMode::DEFAULT,
        content: &content,
    };
    act_as(owner.user, owner.group, || volume.write(generation, &[file]))
}

#[derive(Debug)]
pub(crate) struct FakeKeep(pub(crate) Journal);

impl Keep for FakeKeep {
    fn fresh(&self, volume: Arc<Publish>) {
        self.0.add(&format!("fresh {}", volume.id));
    }

    fn gone(&self, id: &VolumeId) {
        self.0.add(&format!("gone {id}"));
    }
}

/// Kills this process at a step.
#[derive(Debug)]
pub(crate) struct KillAt(pub(crate) String);

impl Checkpoint for KillAt {
    fn reach(&self, step: &'static str) {
        if step == self.0 {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
            loop {
                std::thread::park();
            }
        }
    }
}
