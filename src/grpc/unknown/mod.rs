//! Checks requests for what this server does not know: fields, enum values, cases of a oneof, and numbers that a double does
//! not hold.
//!
//! Decoding drops unknown fields and reads an unknown case as none, so that a new client's request would be obeyed in part. The
//! check therefore reads a request's bytes, by its descriptor, before they are decoded. It walks from tag to tag and builds no
//! message; it allocates only for a refusal.

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
pub(crate) use refusal::What;
use shape::Shapes;

/// The largest uint64 of the contract, 2^53 - 1: every number is then exact as a double, as JSON has it.
pub(crate) const MAX_UINT64: u64 = (1 << 53) - 1;
/// The deepest nesting of messages, as decoding has it.
const MAX_DEPTH: usize = 100;

/// Calls that carry frames. A new client's frame is worth storing without what the server does not know of it, and the faults of
/// a list's items belong in the items' results.
const LENIENT_METHODS: [&str; 2] = ["SubmitFrameBatch", "SubmitFrames"];

/// How much of a request must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All of it.
    Strict,
    /// Unknown fields are passed over, and so are all items of lists. A oneof of the request itself without a known case is a
    /// kind of request that is not offered; a request without anything is left to its handler.
    Lenient,
}

/// The requests of all calls.
#[derive(Debug)]
pub(crate) struct Requests {
    shapes: Shapes,
    /// By package and name.
    by_name: HashMap<String, HashMap<String, (usize, Mode)>>,
}

impl Requests {
    /// The requests of all services of a pool.
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

    /// The check of a message; `None` if it is no request.
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

/// The check of a message of the contract; `None` if it is no request.
pub(crate) fn check_of<M: Name>() -> Option<Check<'static>> {
    REQUESTS.find(M::PACKAGE, M::NAME)
}

/// Checks the bytes of a request of the contract; `None` if there is none of this name.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn check_named(package: &str, name: &str, bytes: &[u8]) -> Option<Result<(), Refusal>> {
    REQUESTS.find(package, name).map(|check| check.run(bytes))
}

impl Check<'_> {
    /// Checks the bytes of a request.
    ///
    /// # Errors
    /// The first thing that is unknown, not allowed or malformed.
    pub(crate) fn run(&self, bytes: &[u8]) -> Result<(), Refusal> {
        walk::Walk { shapes: self.shapes, is_strict: self.mode == Mode::Strict }.request(self.shape, bytes)
    }
}

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> Self {
        Fault::from(refusal).into()
    }
}
