//! Access: identifies the caller of each request, refuses callers that may not call, and ends calls
//! whose callers are not accepted any more.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::OwnedSemaphorePermit;
use tonic::codegen::http::{HeaderMap, Request, header};

use super::gate::{Accepted, End, Refusal, refusal};
use crate::access::{Access, Caller, ClientCertificate, Denied, Ended};
use crate::grpc::audit;
use crate::grpc::fault::Fault;
use crate::grpc::permissions::{self, Need};
use crate::metrics::{CallRefusal, Counter, Per};
use crate::pb::v1::ErrorReason;

/// The scheme of the metadata `authorization`, which is compared without regard to case.
const SCHEME: &str = "bearer";
/// The maximum number of refused callers in the log, in a second. Anybody can cause these lines.
const MAX_LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("10 is not zero");
/// The time after which a caller whose permissions have changed should call again.
const RECONNECT: Duration = Duration::from_secs(1);

/// A place among the calls of a principal; `None` if they are not limited.
type Place = Option<OwnedSemaphorePermit>;

/// Returns the function of the layer that identifies callers.
pub(crate) fn identification<B>(
    access: Arc<Access>,
    is_reflection_private: bool,
    refused: Per<CallRefusal, Counter>,
) -> impl Fn(&mut Request<B>) -> Result<Accepted<Place>, Refusal> + Clone {
    let lines = RateLimiter::direct(Quota::per_second(MAX_LINES_PER_SECOND));
    let door = Arc::new(Door { access, is_reflection_private, lines, refused });
    move |request| {
        let (caller, place) = door.enter(request).map_err(refusal)?;
        let end = door.end(&caller);
        request.extensions_mut().insert(caller);
        Ok(Accepted { end, held: place })
    }
}

/// The rules by which callers are let in.
#[derive(Debug)]
struct Door {
    access: Arc<Access>,
    is_reflection_private: bool,
    /// Limits the lines about refused callers in the log.
    lines: DefaultDirectRateLimiter,
    refused: Per<CallRefusal, Counter>,
}

impl Door {
    /// Identifies the caller of a request, and checks that it may call the method.
    fn enter<B>(&self, request: &Request<B>) -> Result<(Caller, Place), Fault> {
        let need = permissions::need_of(request.uri().path(), self.is_reflection_private);
        // A server that does not authenticate answers an unknown method as not implemented.
        if !self.access.is_closed() {
            return Ok((Caller::anybody(), None));
        }
        if need == Some(Need::Nothing) {
            return Ok((Caller::nobody(), None));
        }
        let certificate = request.extensions().get::<ClientCertificate>();
        let caller = bearer(request.headers())
            .and_then(|bearer| self.access.identify(bearer, certificate))
            .map_err(|denied| {
            if let Denied::Invalid(why) = denied
                && self.lines.check().is_ok()
            {
                audit::refused_caller(request.extensions(), why);
            }
            match denied {
                Denied::Missing => self.refuse(CallRefusal::Missing, missing_credentials()),
                Denied::Invalid(_) => self.refuse(CallRefusal::Invalid, invalid_credentials()),
            }
        })?;
        let Some(need) = need else {
            let message = "the caller may not call this method, or the server does not have it";
            return Err(self.refuse(CallRefusal::Denied, Fault::new(ErrorReason::PermissionDenied, message)));
        };
        permissions::check_method(&caller, need).map_err(|fault| self.refuse(CallRefusal::Denied, fault))?;
        let place = caller.usage().call().map_err(|exceeded| {
            self.refuse(CallRefusal::Quota, permissions::over_quota(&caller, exceeded))
        })?;
        Ok((caller, place))
    }

    /// Counts a refused call, and returns its fault.
    fn refuse(&self, why: CallRefusal, fault: Fault) -> Fault {
        self.refused.of(why).inc();
        fault
    }

    /// Returns the end of a call whose caller may stop being accepted.
    fn end(&self, caller: &Caller) -> Option<End> {
        // Without credentials, there is nothing that could be revoked.
        caller.name()?;
        let (access, caller) = (Arc::clone(&self.access), caller.clone());
        Some(Box::pin(async move {
            match access.ended(&caller).await {
                Ended::Revoked => invalid_credentials(),
                Ended::Changed => Fault::new(
                    ErrorReason::Draining,
                    "the permissions of the caller have changed; open the call again",
                )
                .retry_in(RECONNECT),
            }
        }))
    }
}

/// Returns the bearer token of a call; `None` if the call has no credentials.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Denied::Invalid("the call has several credentials"));
    }
    let text = value.to_str().map_err(|_| Denied::Invalid("the credentials are not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => Ok(Some(token.trim())),
        Some(_) | None => Err(Denied::Invalid("the credentials are not a bearer token")),
    }
}

/// Returns the fault of a call without credentials.
fn missing_credentials() -> Fault {
    Fault::new(
        ErrorReason::CredentialsMissing,
        "this server needs credentials: send an API key or a token in the metadata \
         \"authorization: Bearer ...\", or connect with a client certificate",
    )
}

/// Returns the fault of credentials that are not accepted. It does not say what is wrong with them.
fn invalid_credentials() -> Fault {
    Fault::new(
        ErrorReason::CredentialsInvalid,
        "the credentials are not valid (any more); the log of the server says why",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_and_everything_else_is_refused() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(|token| token.map(str::to_owned))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Bearer abc"]), Ok(Some("abc".to_owned())));
        assert_eq!(read(&["bearer  abc "]), Ok(Some("abc".to_owned())));
        for bad in [&["Bearer"][..], &[""], &["Basic abc"], &["abc"], &["Bearer a", "Bearer a"]] {
            assert!(matches!(read(bad), Err(Denied::Invalid(_))), "{bad:?}");
        }
    }
}
