//! The generated code of the proto files. `proto/frameway/v1` documents each message and field.

/// The public contract, package `frameway.v1`.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::wildcard_enum_match_arm,
    clippy::unused_async,
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::uninlined_format_args,
    rustdoc::all
)]
pub mod v1 {
    tonic::include_proto!("frameway.v1");
}

/// The operators' view of a server, package `frameway.admin.v1beta1`.
pub mod admin {
    /// An unstable package: it may change with any version of the server.
    #[allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        rust_2018_idioms,
        clippy::all,
        clippy::wildcard_enum_match_arm,
        clippy::unused_async,
        clippy::large_futures,
        clippy::unwrap_used,
        clippy::uninlined_format_args,
        rustdoc::all
    )]
    pub mod v1beta1 {
        tonic::include_proto!("frameway.admin.v1beta1");
    }
}

/// The descriptor set of the public packages and their imports, with comments, for reflection.
#[cfg(feature = "server")]
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("frameway_descriptor");

/// The service that KEDA calls, package `externalscaler`.
#[cfg(feature = "server")]
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    rustdoc::all
)]
pub mod externalscaler {
    tonic::include_proto!("externalscaler");
}

/// The descriptor set of `externalscaler`, with comments, for reflection.
#[cfg(feature = "server")]
pub(crate) const EXTERNAL_SCALER_DESCRIPTOR_SET: &[u8] =
    tonic::include_file_descriptor_set!("externalscaler_descriptor");

/// The messages that the Redis backend stores, package `frameway.storage.v1`.
#[cfg(feature = "server")]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, rustdoc::all)]
pub(crate) mod storage {
    tonic::include_proto!("frameway.storage.v1");
}
