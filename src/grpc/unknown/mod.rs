//! Refuses requests with anything that this server does not know: fields, enum values, cases of a
//! oneof, and numbers that a double cannot represent.
//!
//! Decoding drops unknown fields and leaves a oneof with an unknown case unset, so that a request
//! of a newer client would be executed in part. The check therefore reads the bytes of a request,
//! by its descriptor, before they are decoded. It walks from tag to tag and builds no message; it
//! allocates only for a refusal.

mod refusal;
mod shape;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Name;
use prost_reflect::DescriptorPool;

use super::fault::Fault;
use super::reflect;
pub(crate) use refusal::Refusal;
#[cfg(test)]
pub(crate) use refusal::RefusalReason;
use shape::Shapes;

/// The methods that carry frames. A frame of a newer client is stored without its unknown fields,
/// and an error in one frame of a batch is reported in the result of that frame.
pub(crate) const LENIENT_METHODS: [&str; 2] = ["SubmitFrameBatch", "SubmitFrames"];

/// The part of a request that must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Everything.
    Strict,
    /// Everything except unknown fields and the items of lists. If a oneof at the top level of the
    /// request has no known case, the request is of a kind that the server does not support. An
    /// empty request passes; its handler reports what is missing.
    Lenient,
}

/// The requests of all methods.
#[derive(Debug)]
pub(crate) struct Requests {
    shapes: Shapes,
    /// The shape and the mode of each request, by package and name.
    by_name: HashMap<String, HashMap<String, (usize, Mode)>>,
}

impl Requests {
    /// Collects the requests of all services of a pool.
    pub(crate) fn of(pool: &DescriptorPool) -> Self {
        let mut requests = Self { shapes: Shapes::default(), by_name: HashMap::new() };
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let input = method.input();
            let lenient = LENIENT_METHODS.contains(&method.name());
            let mode = if lenient { Mode::Lenient } else { Mode::Strict };
            let shape = requests.shapes.add(&input);
            let package = requests.by_name.entry(input.package_name().to_owned()).or_default();
            package.insert(input.name().to_owned(), (shape, mode));
        }
        requests
    }

    /// Returns the check of a message; `None` if the message is not a request.
    pub(crate) fn find(&self, package: &str, name: &str) -> Option<Check<'_>> {
        let (shape, mode) = *self.by_name.get(package)?.get(name)?;
        Some(Check { shapes: &self.shapes, shape, mode })
    }
}

/// The check of one type of request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check<'a> {
    shapes: &'a Shapes,
    shape: usize,
    mode: Mode,
}

static REQUESTS: LazyLock<Requests> = LazyLock::new(|| Requests::of(reflect::pool()));

/// Returns the check of a message of the contract; `None` if the message is not a request.
pub(crate) fn check_of<M: Name>() -> Option<Check<'static>> {
    REQUESTS.find(M::PACKAGE, M::NAME)
}

/// Checks the bytes of a request of the contract; returns `None` if there is no request of this
/// name.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn check_named(package: &str, name: &str, bytes: &[u8]) -> Option<Result<(), Refusal>> {
    REQUESTS.find(package, name).map(|check| check.run(bytes))
}

impl Check<'_> {
    /// Checks the bytes of a request.
    ///
    /// # Errors
    /// Returns the first part that is unknown, not allowed or malformed.
    pub(crate) fn run(&self, bytes: &[u8]) -> Result<(), Refusal> {
        walk::Walk { shapes: self.shapes, is_strict: self.mode == Mode::Strict }.request(self.shape, bytes)
    }
}

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> Self {
        Fault::from(refusal).into()
    }
}
