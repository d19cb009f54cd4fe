//! Compiles kubelet's interfaces of `proto/` without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const ROOT: &str = "../proto";
    const FILES: [&str; 2] = ["csi/v1/csi.proto", "pluginregistration/v1/registration.proto"];
    for file in FILES {
        println!("cargo::rerun-if-changed={ROOT}/{file}");
    }
    let descriptors = protox::compile(FILES, [ROOT])?;
    tonic_prost_build::configure()
        .build_transport(false)
        // Its tokens and secrets must not be printed: its Debug is written by hand.
        .skip_debug(["csi.v1.NodePublishVolumeRequest"])
        .compile_fds(descriptors)?;
    Ok(())
}
