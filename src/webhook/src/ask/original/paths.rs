//! Absolute paths of files, as one directory and paths below it: the directory becomes the volume's mount path.

use std::borrow::Cow;

use esi_resources::injection::MountPath;

use crate::ask::grammar::{File, Shown};
use crate::ask::text::quote;

/// The file that the original's file mode writes.
pub(super) const DEFAULT: &str = "/secrets/secrets.json";
/// Its directory.
const DIRECTORY: &str = "/secrets";

/// Directories of every image. A volume in the place of one would leave the container nothing to run with.
const SYSTEM: [&str; 19] = [
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root",
    "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var",
];

/// One file with its absolute path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absolute<'a> {
    pub(super) entry: &'a str,
    pub(super) path: &'a str,
    pub(super) shown: Shown<'a>,
}

/// Whether a path is the default file's directory, or lies below it.
pub(super) fn is_below_default(path: &str) -> bool {
    path.strip_prefix(DIRECTORY)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The deepest directory that holds all files, and the files below it; otherwise the entry that cannot be, and why.
pub(super) fn split<'a>(files: &[Absolute<'a>]) -> Result<(MountPath, Vec<File<'a>>), (&'a str, String)> {
    let mut directory: Option<&str> = None;
    for file in files {
        if let Err(error) = file.path.parse::<MountPath>() {
            return Err((file.entry, error.to_string()));
        }
        let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let shared = directory.map_or(parent, |before| shared(before, parent));
        if shared.is_empty() || SYSTEM.contains(&shared) {
            return Err((file.entry, refusal(shared, files.len())));
        }
        directory = Some(shared);
    }
    let text = directory.unwrap_or(DIRECTORY);
    let below = |file: &Absolute<'a>| {
        let path = file.path.strip_prefix(text).unwrap_or(file.path);
        let path = Cow::Borrowed(path.strip_prefix('/').unwrap_or(path));
        File {
            entry: file.entry,
            path,
            shown: file.shown,
        }
    };
    let first = files.first().map_or("", |file| file.entry);
    match text.parse::<MountPath>() {
        Ok(directory) => Ok((directory, files.iter().map(below).collect())),
        Err(error) => Err((first, error.to_string())),
    }
}

/// The deepest directory above both, or one of them.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let mut end = 0;
    for (part, twin) in one.split('/').zip(other.split('/')) {
        if part != twin {
            break;
        }
        // The separator after each part; after the last one there is none.
        end += part.len() + 1;
    }
    one.get(..end.saturating_sub(1)).unwrap_or(one)
}

fn refusal(directory: &str, files: usize) -> String {
    let directory = if directory.is_empty() { "/" } else { directory };
    let wanted = match files {
        1 => "a directory of its own",
        _ => "one directory of their own, shared by all files of this generator",
    };
    format!(
        "the volume would take the place of the directory `{}`: write {wanted}, such as `/secrets/…`",
        quote(directory)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: &[&'static str]) -> Result<(String, Vec<String>), String> {
        let files: Vec<Absolute<'_>> = paths
            .iter()
            .map(|path| Absolute {
                entry: path,
                path,
                shown: Shown::Key("k"),
            })
            .collect();
        let (directory, files) = split(&files).map_err(|(entry, problem)| format!("{entry}: {problem}"))?;
        let files = files.into_iter().map(|file| file.path.into_owned()).collect();
        Ok((directory.to_string(), files))
    }

    #[test]
    fn the_directory_is_the_deepest_that_holds_all_files() {
        for (paths, directory, files) in [
            (&["/secrets/secrets.json"][..], "/secrets", &["secrets.json"][..]),
            (&["/etc/app/a", "/etc/app/b"], "/etc/app", &["a", "b"]),
            (&["/etc/app/a/x", "/etc/app/ab/x"], "/etc/app", &["a/x", "ab/x"]),
            (&["/srv/x/a/f", "/srv/x/f"], "/srv/x", &["a/f", "f"]),
            (&["/srv/x/f", "/srv/x/a/f"], "/srv/x", &["f", "a/f"]),
        ] {
            let (read, below) = read(paths).unwrap();
            assert_eq!(
                (read.as_str(), below),
                (directory, files.iter().map(ToString::to_string).collect())
            );
        }
    }

    #[test]
    fn a_directory_of_the_image_is_not_taken_away() {
        for paths in [
            &["/db.json"][..],
            &["/etc/db.json"],
            &["/etc/a/x", "/etc/b/x"],
            &["/a/x", "/b/x"],
        ] {
            let problem = read(paths).unwrap_err();
            assert!(
                problem.contains("would take the place of the directory"),
                "{paths:?}: {problem}"
            );
        }
    }

    #[test]
    fn a_path_is_absolute_and_plain() {
        for path in ["db.json", "", "/a/../b", "/a//b", "/a/b/", "/a/b:c", "/a/b\n"] {
            assert!(read(&[path]).is_err(), "{path:?} was taken");
        }
    }
}
