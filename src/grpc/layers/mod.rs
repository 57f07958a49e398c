//! The layers around all services. Each request passes through them before it reaches a handler,
//! and each response before it is sent.
//!
//! HTTP and tonic refuse some requests by themselves, with codes and texts that are not the
//! contract's, and accept others that the contract refuses. The layers correct both for every
//! service. `server` stacks them; no layer knows of the others. Their futures are not boxed, so
//! that all layers together add few allocations to a call: those of the response bodies.

mod access;
mod admission;
mod around;
mod deadline;
mod gate;
mod measure;
mod receiving;
mod refusal;
mod request_id;
mod unread;

pub(crate) use access::identification;
pub(crate) use admission::{MAX_METADATA_BYTES, admission};
pub(crate) use around::around;
pub(crate) use gate::gate;
pub(crate) use measure::{Methods, measure};
pub(crate) use receiving::{PROGRESS_BYTES, PROGRESS_TIMEOUT, Receiving, hold_received};
pub(crate) use refusal::{contract_fault, refusals};
pub(crate) use request_id::{RequestId, request_id};
pub(crate) use unread::Unread;
