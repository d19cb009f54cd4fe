//! The table of mounts, as `/proc/self/mountinfo` tells it (proc(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// Where this process's table is.
const PATH: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id, which statx gives too.
    pub id: u64,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Whether what is mounted below it is seen by its peers.
    pub shared: bool,
    /// The type of its file system.
    pub kind: String,
    /// Its source.
    pub source: String,
}

/// All mounts of this process's mount namespace, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table(pub Vec<Entry>);

impl Table {
    /// Reads the table of this process.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read() -> std::io::Result<Self> {
        // A thousand volumes are 200 KiB of lines.
        std::fs::read(PATH).map(|bytes| Self::parse(&bytes))
    }

    /// Takes the text apart. A line that is none is left out: the kernel does not write one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        Self(text.split(|&byte| byte == b'\n').filter_map(entry).collect())
    }

    /// The mount of this id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.id == id)
    }
}

/// `36 35 98:0 /root /point rw,noatime shared:1 master:2 - ext4 /dev/source rw`: optional fields end at the `-`.
fn entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let point = PathBuf::from(OsString::from_vec(unescape(fields.nth(3)?)));
    let mut shared = false;
    loop {
        match fields.next()? {
            b"-" => break,
            field => shared |= field.starts_with(b"shared:"),
        }
    }
    let mut text = || Some(String::from_utf8_lossy(&unescape(fields.next()?)).into_owned());
    Some(Entry {
        id,
        point,
        shared,
        kind: text()?,
        source: text()?,
    })
}

/// Space, tab, newline and backslash are written as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.first_chunk::<3>().and_then(octal))
            .flatten();
        if let Some(byte) = code {
            bytes.push(byte);
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &[u8] = br"22 27 0:21 / /proc rw,nosuid - proc proc rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
36 27 98:0 / /var/lib/kube\040let/pods rw,noatime shared:7 master:2 - ext4 /dev/vdb rw
64 36 0:40 / /var/lib/kube\040let/pods/u/v\134n/mount rw,nosuid,nodev,noexec shared:9 - tmpfs esi:0123 rw,size=10240k
a line that is none
65 27 0:41 / /mnt rw master:3 propagate_from:1 - tmpfs shared:4 rw
";

    #[test]
    fn each_mount_says_where_it_is_whether_it_is_shared_and_what_it_is() {
        let table = Table::parse(TEXT);
        assert_eq!(table.0.len(), 5);
        let pods = table.get(36).unwrap();
        assert_eq!(
            (pods.point.as_path(), pods.shared),
            (Path::new("/var/lib/kube let/pods"), true)
        );
        let volume = table.get(64).unwrap();
        assert_eq!(volume.point, Path::new(r"/var/lib/kube let/pods/u/v\n/mount"));
        assert_eq!(
            (volume.kind.as_str(), volume.source.as_str()),
            ("tmpfs", "esi:0123")
        );
    }

    #[test]
    fn only_an_optional_field_says_that_a_mount_is_shared() {
        let table = Table::parse(TEXT);
        assert!(!table.get(22).unwrap().shared);
        assert!(
            !table.get(65).unwrap().shared,
            "a slave, whose source has a misleading name"
        );
    }

    #[test]
    fn the_table_of_this_process_can_be_read() {
        let table = Table::read().unwrap();
        assert!(table.0.iter().any(|entry| entry.point == Path::new("/")));
    }

    #[test]
    fn no_text_at_all_makes_it_fail() {
        for text in [&b""[..], b"\n\n", b"1 2", b"1 2 3 4 5 6 7", b"\\ \\1 \\99 \xff"] {
            assert!(Table::parse(text).0.is_empty());
        }
    }
}
