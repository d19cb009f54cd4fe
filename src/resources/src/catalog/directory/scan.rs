//! The files of a directory, read within bounds.
//!
//! `*.yaml`, `*.yml` and `*.json` in the directory and its sub-directories. What begins with `.` is skipped: editors'
//! droppings, and the `..data` machinery of Kubernetes volumes, whose files are links beside it; so are `x~` and
//! `#x#`. Links are followed; a directory that is reached twice is read once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use esi_core::SecretBytes;

use super::limits::{MAX_DEPTH, MAX_DIRECTORIES, MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES};
use crate::catalog::merge::Reading;
use crate::catalog::parse::{ParsedFile, Syntax, parse};
use crate::catalog::problem::Problem;

/// What is there, before it is read.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) directories: Vec<PathBuf>,
    files: Vec<(Arc<Path>, Syntax)>,
    incomplete: Vec<Problem>,
}

/// What the files hold: bytes, for they may hold secrets.
#[derive(Debug)]
pub(super) struct Contents {
    files: Vec<(Arc<Path>, Syntax, Result<SecretBytes, String>)>,
    incomplete: Vec<Problem>,
    /// Equal for equal contents; so a reload that changes nothing is seen.
    pub(super) fingerprint: u64,
}

/// Finds the directories and files.
pub(super) fn walk(root: &Path) -> Tree {
    let mut tree = Tree::default();
    let mut reached = BTreeSet::new();
    let mut queue = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = queue.pop() {
        match entries(&directory, &mut reached) {
            Ok(entries) => {
                tree.directories.push(directory);
                for (path, is_directory) in entries {
                    if is_directory && depth < MAX_DEPTH {
                        queue.push((path, depth + 1));
                    } else if !is_directory && let Some(syntax) = syntax(&path) {
                        tree.files.push((path.into(), syntax));
                    }
                }
            }
            // Gone since its parent was listed, as in the swap of a Kubernetes volume.
            Err(error) if error.kind() == ErrorKind::NotFound && depth > 0 => {}
            Err(error) => tree.incomplete(&directory, &format!("the directory cannot be read: {error}")),
        }
        if tree.files.len() > MAX_FILES || tree.directories.len() + queue.len() > MAX_DIRECTORIES {
            tree.incomplete(
                root,
                &format!("at most {MAX_FILES} files in {MAX_DIRECTORIES} directories are read"),
            );
            break;
        }
    }
    tree.files.sort_by(|(a, _), (b, _)| a.cmp(b));
    tree.files.truncate(MAX_FILES);
    tree
}

/// The visible entries of a directory, and which of them are directories; none if it was reached before.
fn entries(directory: &Path, reached: &mut BTreeSet<PathBuf>) -> io::Result<Vec<(PathBuf, bool)>> {
    if !reached.insert(fs::canonicalize(directory)?) {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if !is_visible(&path) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) => entries.push((path, metadata.is_dir())),
            // Gone since, or a link to nothing: there is no such file.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Reading it will say what is wrong.
            Err(_) => entries.push((path, false)),
        }
    }
    // The order of a directory is nobody's; the same files must be found under the same paths each time.
    entries.sort();
    Ok(entries)
}

fn is_visible(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    !name.starts_with(b".") && !name.starts_with(b"#") && !name.ends_with(b"~")
}

fn syntax(path: &Path) -> Option<Syntax> {
    match path.extension()?.to_str()? {
        "yaml" | "yml" => Some(Syntax::Yaml),
        "json" => Some(Syntax::Json),
        _ => None,
    }
}

impl Tree {
    fn incomplete(&mut self, path: &Path, message: &str) {
        self.incomplete.push(Problem::new(path, None, None, message));
    }

    /// Reads the files.
    pub(super) fn read(mut self) -> Contents {
        let mut hasher = DefaultHasher::new();
        let mut files = Vec::with_capacity(self.files.len());
        let mut total = 0;
        for (path, syntax) in std::mem::take(&mut self.files) {
            let content = match read(&path) {
                Ok(bytes) => Ok(bytes),
                // Gone since the directory was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => Err(format!("the file cannot be read: {error}")),
            };
            total += content.as_ref().map_or(0, SecretBytes::len);
            if u64::try_from(total).unwrap_or(u64::MAX) > MAX_TOTAL_BYTES {
                let message = format!("all files together have more than {MAX_TOTAL_BYTES} bytes");
                self.incomplete(&path, &message);
                break;
            }
            path.hash(&mut hasher);
            content.as_ref().map(SecretBytes::expose).hash(&mut hasher);
            files.push((path, syntax, content));
        }
        for problem in &self.incomplete {
            problem.to_string().hash(&mut hasher);
        }
        Contents {
            files,
            incomplete: self.incomplete,
            fingerprint: hasher.finish(),
        }
    }
}

fn read(path: &Path) -> io::Result<SecretBytes> {
    let metadata = fs::metadata(path)?;
    // Opening a pipe would wait for a writer.
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let too_large = || {
        let message = format!("it has more than {MAX_FILE_BYTES} bytes; split it");
        io::Error::new(ErrorKind::FileTooLarge, message)
    };
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    let read = File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    let bytes = SecretBytes::new(bytes);
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(too_large());
    }
    Ok(bytes)
}

impl Contents {
    /// Parses the files, up to `max_objects` in all.
    pub(super) fn parse(self, max_objects: usize) -> Reading {
        let mut reading = Reading {
            files: Vec::with_capacity(self.files.len()),
            incomplete: self.incomplete,
        };
        let mut objects = 0;
        for (path, syntax, content) in self.files {
            let file = match &content {
                Ok(bytes) => match bytes.expose_str() {
                    Ok(text) => parse(&path, syntax, text),
                    Err(_) => ParsedFile::unreadable(&path, "the file is not UTF-8 text"),
                },
                Err(message) => ParsedFile::unreadable(&path, message),
            };
            objects += file.documents.len();
            if objects > max_objects {
                let message = format!("at most {max_objects} objects are held; this file is not read");
                reading
                    .incomplete
                    .push(Problem::new(path.as_ref(), None, None, &message));
                break;
            }
            reading.files.push(file);
        }
        reading
    }
}
