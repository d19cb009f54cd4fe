//! `deploy/crds` holds what the types say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use esi_resources::crd;
use serde_json::Value;

#[test]
fn the_definitions_that_are_deployed_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    let mut written = BTreeMap::new();
    for file in fs::read_dir(&folder).expect("deploy/crds is there") {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let manifest = esi_resources::manifest::read(&text).unwrap().remove(0);
        written.insert(
            path.file_name().unwrap().to_string_lossy().into_owned(),
            manifest.object,
        );
    }
    let of_types: BTreeMap<String, Value> = crd::all()
        .into_iter()
        .map(|crd| (format!("{}.yaml", crd.name), crd.definition))
        .collect();
    let names = |of: &BTreeMap<String, Value>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&written),
        names(&of_types),
        "run `make crds`, and remove files of kinds that are gone"
    );
    for (file, definition) in of_types {
        assert!(
            written[&file] == definition,
            "deploy/crds/{file} is not what its type says: run `make crds`"
        );
    }
}
