//! Compiles the proto files to Rust, without protoc, and writes the descriptor set for reflection.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use protox::prost::Message as _;

const PROTO_ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    // tonic-prost-build does not report its inputs. A directory stands for all files below it.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PROTO_ROOT}");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    // Without the feature `server`, only the code of the clients is generated.
    let server = env::var_os("CARGO_FEATURE_SERVER").is_some();

    let mut public = Vec::new();
    let mut private = Vec::new();
    collect(&Path::new(PROTO_ROOT).join("frameway/v1"), &mut public)?;
    collect(&Path::new(PROTO_ROOT).join("frameway/admin/v1beta1"), &mut public)?;
    collect(&Path::new(PROTO_ROOT).join("frameway/storage/v1"), &mut private)?;

    if server {
        // Reflection serves the public packages only, with comments: `grpcurl describe` prints
        // them.
        fs::write(out_dir.join("frameway_descriptor.bin"), compile(&public)?)?;
        external_scaler(&out_dir)?;
    } else {
        private.clear();
    }

    let all: Vec<PathBuf> = public.into_iter().chain(private).collect();
    let mut files = protox::compile(&all, [PROTO_ROOT])?;
    // Leave the comments out of the generated code: rustdoc would read `stream<id>`, `a[b]` and
    // tables as markup. The documentation of `pb` refers to the proto files.
    for file in &mut files.file {
        file.source_code_info = None;
    }
    let mut config = tonic_prost_build::Config::new();
    // The server finds a message's descriptor by the message's name.
    config.enable_type_names();
    let mut generator = tonic_prost_build::configure()
        // With `Bytes`, pictures are shared and not copied.
        .bytes(".")
        // With ordered maps, equal messages have equal bytes.
        .btree_map(".")
        .build_server(server);
    if server {
        // This codec checks requests for unknown fields before it decodes them. Clients that are
        // built with the server use it, too.
        generator = generator.codec_path("crate::grpc::codec::CheckedCodec");
    }
    generator.compile_fds_with_config(files, config)?;
    Ok(())
}

/// Generates the service that KEDA calls, and its descriptor set. It has the ordinary codec: KEDA may
/// add fields, and a request with fields that this server does not know is not refused.
fn external_scaler(out_dir: &Path) -> Result<(), Box<dyn Error>> {
    let file = [Path::new(PROTO_ROOT).join("externalscaler/externalscaler.proto")];
    fs::write(out_dir.join("externalscaler_descriptor.bin"), compile(&file)?)?;
    let mut files = protox::compile(&file, [PROTO_ROOT])?;
    for file in &mut files.file {
        file.source_code_info = None;
    }
    tonic_prost_build::configure().btree_map(".").compile_fds(files)?;
    Ok(())
}

/// Returns the descriptor set of `files` and their imports, with comments.
fn compile(files: &[PathBuf]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([PROTO_ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    Ok(compiler.file_descriptor_set().encode_to_vec())
}

/// Adds the proto files of `dir`, sorted by name. Adds none if the directory does not exist.
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
