//! Real files and the real watcher. A wait is for a state, never for a time; its bound is shorter than the poll,
//! so that a change which only the poll saw fails the test.

use std::fs;
use std::os::unix::fs::symlink;

use rstest::rstest;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const FAKE: &str = "apiVersion: generators.external-secrets.io/v1alpha1
kind: Fake
metadata: {name: NAME, namespace: n}
spec: {data: {k: v}}
";

const AUTHORIZATION: &str = "apiVersion: federation.external-secrets.io/v1alpha1
kind: Authorization
metadata: {name: NAME}
spec:
  federationRef: {kind: KubernetesFederation, name: c}
  subject: {issuer: i, subject: s}
";

fn fake(name: &str) -> String {
    FAKE.replace("NAME", name)
}

fn both(name: &str) -> String {
    format!("{}---\n{}", fake(name), AUTHORIZATION.replace("NAME", name))
}

struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// As editors and careful programs do: beside it, then over it.
    fn replace(&self, name: &str, text: &str) {
        self.write(".staged", text);
        fs::rename(self.path(".staged"), self.path(name)).unwrap();
    }

    fn open(&self) -> Result<(Catalog, DirectoryWatcher), CatalogError> {
        DirectoryCatalog::open(self.0.path())
    }

    fn names(&self) -> String {
        names(&self.open().unwrap().0.current())
    }

    fn problems(&self) -> String {
        let error = self.open().unwrap_err().to_string();
        error.replace(&self.0.path().display().to_string(), "DIR")
    }

    fn follow(&self) -> Followed {
        Followed::start(self.open().unwrap())
    }
}

/// A catalog that is being followed.
struct Followed {
    catalog: Catalog,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), CatalogError>>,
}

impl Followed {
    fn start((catalog, watcher): (Catalog, DirectoryWatcher)) -> Self {
        let cancel = CancellationToken::new();
        let task = tokio::spawn(watcher.run(cancel.clone()));
        Self {
            catalog,
            cancel,
            task,
        }
    }

    async fn until(&self, what: &str) {
        let mut changes = self.catalog.changes();
        let wait = async {
            while names(&self.catalog.current()) != what {
                changes.changed().await.unwrap();
            }
        };
        if timeout(POLL - Duration::from_secs(5), wait).await.is_err() {
            panic!("it is {:?}, not {what:?}", names(&self.catalog.current()));
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Generators with a mark for stale ones, then authorizations.
fn names(snapshot: &Snapshot) -> String {
    let generators = snapshot.generators().map(|document| {
        let mark = if document.stale { "*" } else { "" };
        format!("{}{mark}", document.reference.name)
    });
    let authorizations = snapshot
        .authorizations()
        .iter()
        .map(|one| format!("+{}", one.name));
    generators.chain(authorizations).collect::<Vec<_>>().join(" ")
}

#[test]
fn manifests_are_found_in_the_directory_and_below_and_droppings_are_not() {
    let directory = Directory::new();
    directory.write("a.yaml", &fake("a"));
    directory.write("b.yml", &fake("b"));
    directory.write("sub/c.yaml", &fake("c"));
    directory.write("1/2/3/4/d.yaml", &fake("d"));
    directory.write("1/2/3/4/5/too-deep.yaml", &fake("too-deep"));
    directory.write("README.md", "# not a manifest");
    for dropping in [
        ".a.yaml",
        "a.yaml~",
        "#a.yaml#",
        ".git/a.yaml",
        "..data/a.yaml",
        ".#a.yaml",
        ".a.yaml.swp",
    ] {
        directory.write(dropping, &fake("a"));
    }
    assert_eq!(directory.names(), "a b c d");
}

#[test]
fn a_directory_that_is_reached_twice_is_read_once() {
    let directory = Directory::new();
    directory.write("sub/a.yaml", &fake("a"));
    symlink(".", directory.path("sub/loop")).unwrap();
    symlink("nothing", directory.path("dangling.yaml")).unwrap();
    assert_eq!(directory.names(), "a");
}

#[test]
fn a_start_lists_every_problem_and_fails() {
    let directory = Directory::new();
    directory.write("a.yaml", &both("a"));
    directory.write(
        "b.yaml",
        &format!("{}---\n{}", fake("b").replace("{data", "{dta"), both("a")),
    );
    directory.write("c.json", "{");
    fs::write(directory.path("d.yaml"), [0xff, 0xfe]).unwrap();
    insta::assert_snapshot!(directory.problems(), @r#"
    the catalog has 5 problem(s):
      DIR/b.yaml:4: Fake n/b: unknown field `dta`, expected one of controller, data
      DIR/b.yaml:6: Fake n/a: it is there already at DIR/a.yaml:1: neither holds until one is removed
      DIR/b.yaml:11: Authorization a: it is there already at DIR/a.yaml:6: neither holds until one is removed
      DIR/c.json:1: this JSON cannot be read: EOF while parsing an object
      DIR/d.yaml: the file is not UTF-8 text
    "#);
    assert!(DirectoryCatalog::open(&directory.path("none")).is_err());
}

#[test]
fn more_than_the_limits_is_refused() {
    let large = Directory::new();
    large.write(
        "a.yaml",
        &"#".repeat(usize::try_from(limits::MAX_FILE_BYTES).unwrap() + 1),
    );
    insta::assert_snapshot!(large.problems(), @r#"
    the catalog has 1 problem(s):
      DIR/a.yaml: the file cannot be read: it has more than 4194304 bytes; split it
    "#);

    let many = Directory::new();
    for number in 0..=limits::MAX_FILES {
        many.write(&format!("{number}.yaml"), "");
    }
    insta::assert_snapshot!(many.problems(), @r#"
    the catalog has 1 problem(s):
      DIR: at most 1000 files in 100 directories are read
    "#);

    let objects = Directory::new();
    objects.write("a.yaml", &format!("{}---\n{}", fake("a"), fake("b")));
    objects.write("b.yaml", &fake("c"));
    let reading = |most| scan::walk(objects.0.path()).read().parse(most);
    assert_eq!(reading(3).incomplete, []);
    assert_eq!(
        reading(2).incomplete[0].message,
        "at most 2 objects are held; this file is not read"
    );

    let pipe = Directory::new();
    symlink("/dev/zero", pipe.path("zero.yaml")).unwrap();
    insta::assert_snapshot!(pipe.problems(), @r#"
    the catalog has 1 problem(s):
      DIR/zero.yaml: the file cannot be read: it is no regular file
    "#);
}

#[rstest]
#[case("dev", "greeting password id +demo-app")]
#[case("postgresql", "shop +shop-db")]
#[case("vault", "shop shop-certificate +shop-vault")]
#[case("injection", "")]
fn an_example_loads_and_its_references_are_there(#[case] name: &str, #[case] objects: &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples");
    let (catalog, _watcher) = DirectoryCatalog::open(&examples.join(name)).unwrap();
    let snapshot = catalog.current();
    assert_eq!(names(&snapshot), objects);
    assert_eq!(snapshot.notices(), []);
    for authorization in snapshot.authorizations() {
        for reference in &authorization.allowed_generators {
            assert!(snapshot.generator(reference).is_some(), "{reference}");
        }
    }
    let secret = |namespace: &str, name: &str, key: &str| {
        snapshot
            .secret(&namespace.parse().unwrap(), &name.parse().unwrap(), key)
            .is_some()
    };
    match name {
        "postgresql" => assert!(secret("platform", "shop-admin", "password")),
        "vault" => assert!(secret("platform", "vault-approle", "secret-id")),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_changed_and_removed_files_are_seen() {
    let directory = Directory::new();
    directory.write("a.yaml", &fake("a"));
    let followed = directory.follow();
    followed.until("a").await;
    directory.write("b.yaml", &both("b"));
    followed.until("a b +b").await;
    directory.replace("b.yaml", &both("c"));
    followed.until("a c +c").await;
    fs::remove_file(directory.path("a.yaml")).unwrap();
    followed.until("c +c").await;
    followed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_new_directory_are_seen_also_when_they_come_later() {
    let directory = Directory::new();
    let followed = directory.follow();
    directory.write("sub/a.yaml", &fake("a"));
    followed.until("a").await;
    directory.write("sub/b.yaml", &fake("b"));
    followed.until("a b").await;
    fs::remove_dir_all(directory.path("sub")).unwrap();
    followed.until("").await;
    directory.write("sub/c.yaml", &fake("c"));
    followed.until("c").await;
    followed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_file_grants_nothing_until_it_is_complete() {
    let directory = Directory::new();
    directory.write("a.yaml", &both("a"));
    let followed = directory.follow();
    let whole = both("a") + "status: {complete: true}\n";
    let (half, _) = whole.split_at(whole.len() - 3);
    directory.write("a.yaml", half);
    // The generator in it is whole, the authorization may not be.
    followed.until("a").await;
    assert_eq!(followed.catalog.current().problems().len(), 1);
    directory.write("a.yaml", &whole);
    followed.until("a +a").await;
    assert_eq!(followed.catalog.current().problems(), []);
    followed.stop().await;
}

/// Kubernetes' atomic writer: `..<time>/x`, `..data → ..<time>`, `x → ..data/x`; a change renames a new `..data` over.
#[tokio::test(flavor = "multi_thread")]
async fn the_swap_of_a_kubernetes_volume_is_followed() {
    let directory = Directory::new();
    directory.write("..1/a.yaml", &fake("a"));
    directory.write("..1/sub/b.yaml", &fake("b"));
    symlink("..1", directory.path("..data")).unwrap();
    symlink("..data/a.yaml", directory.path("a.yaml")).unwrap();
    symlink("..data/sub", directory.path("sub")).unwrap();
    let followed = directory.follow();
    followed.until("a b").await;
    for (round, names) in [(2, "a2 b2"), (3, "a3 b3")] {
        directory.write(&format!("..{round}/a.yaml"), &fake(&format!("a{round}")));
        directory.write(&format!("..{round}/sub/b.yaml"), &fake(&format!("b{round}")));
        symlink(format!("..{round}"), directory.path("..data_tmp")).unwrap();
        fs::rename(directory.path("..data_tmp"), directory.path("..data")).unwrap();
        fs::remove_dir_all(directory.path(&format!("..{}", round - 1))).unwrap();
        followed.until(names).await;
    }
    followed.stop().await;
}

/// Its watch goes with it: the poll sees the return.
#[tokio::test(start_paused = true)]
async fn a_directory_that_is_moved_away_withdraws_and_comes_back() {
    let directory = Directory::new();
    directory.write("catalog/a.yaml", &both("a"));
    let opened = DirectoryCatalog::open(&directory.path("catalog")).unwrap();
    let followed = Followed::start(opened);
    let mut changes = followed.catalog.changes();
    for (from, to, what) in [("catalog", "away", "a*"), ("away", "catalog", "a +a")] {
        fs::rename(directory.path(from), directory.path(to)).unwrap();
        timeout(POLL * 3, changes.changed()).await.unwrap().unwrap();
        assert_eq!(names(&followed.catalog.current()), what);
    }
    followed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_watcher_the_poll_sees_a_change() {
    let directory = Directory::new();
    directory.write("a.yaml", &fake("a"));
    let (catalog, mut watcher) = directory.open().unwrap();
    watcher.files.watcher = None;
    let mut changes = catalog.changes();
    let followed = Followed::start((catalog, watcher));
    directory.write("b.yaml", &fake("b"));
    timeout(POLL * 3, changes.changed()).await.unwrap().unwrap();
    assert_eq!(names(&followed.catalog.current()), "a b");
    followed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_finds_nothing_new_publishes_nothing() {
    let directory = Directory::new();
    directory.write("a.yaml", &fake("a"));
    let followed = directory.follow();
    let mut changes = followed.catalog.changes();
    directory.write("a.yaml", &fake("a"));
    directory.write("ignored.txt", "x");
    assert!(timeout(POLL * 3, changes.changed()).await.is_err());
    assert_eq!(followed.catalog.current().revision(), 1);
    followed.stop().await;
}
