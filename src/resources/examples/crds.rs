//! Writes the custom resource definitions into the folder that is named: `make crds`.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name the folder to write into"))?;
    fs::create_dir_all(&folder)?;
    for crd in esi_resources::crd::all() {
        let yaml = serde_saphyr::to_string(&crd.definition).map_err(io::Error::other)?;
        let text =
            format!("# Generated from the types of src/resources by `make crds`: do not edit.\n{yaml}");
        fs::write(folder.join(format!("{}.yaml", crd.name)), text)?;
    }
    Ok(())
}
