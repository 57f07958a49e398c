//! Compiles the proto files to Rust, without protoc, and writes the descriptor set that reflection serves.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use protox::prost::Message as _;

const PROTO_ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    // tonic-prost-build does not say what it read. A directory counts with everything below it.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PROTO_ROOT}");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);

    let mut public = Vec::new();
    let mut private = Vec::new();
    collect(&Path::new(PROTO_ROOT).join("frameway/v1"), &mut public)?;
    collect(&Path::new(PROTO_ROOT).join("frameway/admin/v1beta1"), &mut public)?;
    collect(&Path::new(PROTO_ROOT).join("frameway/storage/v1"), &mut private)?;

    // Reflection serves the public packages only, with its comments: `grpcurl describe` prints them.
    let public_set = compile(&public)?;
    fs::write(out_dir.join("frameway_descriptor.bin"), public_set)?;

    let all: Vec<PathBuf> = public.into_iter().chain(private).collect();
    let mut files = protox::compile(&all, [PROTO_ROOT])?;
    // Proto comments are not rustdoc: `stream<id>`, `a[b]` and tables would be read as markup. The contract is documented in
    // the proto files, and `pb` points there.
    for file in &mut files.file {
        file.source_code_info = None;
    }
    let mut config = tonic_prost_build::Config::new();
    // A message's descriptor is found by its name.
    config.enable_type_names();
    tonic_prost_build::configure()
        // Pictures are shared, never copied.
        .bytes(".")
        // The same message has the same bytes.
        .btree_map(".")
        // Requests are checked for what the server does not know before they are decoded.
        .codec_path("crate::grpc::codec::CheckedCodec")
        .compile_fds_with_config(files, config)?;
    Ok(())
}

/// The descriptor set of `files` and what they import, with comments.
fn compile(files: &[PathBuf]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([PROTO_ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    Ok(compiler.file_descriptor_set().encode_to_vec())
}

/// Adds the proto files of `dir`, by name. A directory that is not there holds none.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !dir.is_dir() {
        return Ok(());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    found.sort();
    files.append(&mut found);
    Ok(())
}
