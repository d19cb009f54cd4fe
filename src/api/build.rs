//! Compiles `proto/` without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const ROOT: &str = "../../proto";
    println!("cargo::rerun-if-changed={ROOT}");
    let descriptors = protox::compile(["esi/v1/federation.proto", "esi/v1/leases.proto"], [ROOT])?;
    tonic_prost_build::configure()
        .build_transport(false)
        // Messages that carry secrets, or that a token could end up in, have no Debug of their content.
        .skip_debug(["esi.v1.IssueResponse"])
        .compile_fds(descriptors)?;
    Ok(())
}
