//! Why a request isn't let in, in the words of the service that it is for.
//!
//! The codes are those of each API reference's page "Common error types". The JSON services suffix
//! them with `Exception`, the Query services have names of their own, and EC2 tells little apart.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::service::Service;
use crate::call::ServiceError;
use crate::wire::Protocol;

/// Why a request isn't let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no signature, and the operation needs one.
    Unsigned,
    /// Its signature can't be read; says what is wrong.
    Incomplete(String),
    /// No such access key, or its session token is missing or another's.
    UnknownKey,
    /// The signature isn't the one that the key's secret makes.
    WrongSignature,
    /// The session is over.
    SessionExpired,
    /// It was signed too long ago or for the future.
    Skewed {
        /// When it says it was signed.
        signed: Timestamp,
        /// When it arrived.
        now: Timestamp,
    },
}

/// How far a client's clock may be off.
pub fn allowed_skew(service: Service) -> SignedDuration {
    match service.protocol() {
        Protocol::Query | Protocol::Ec2 => SignedDuration::from_mins(15),
        Protocol::RestJson
        | Protocol::Json
        | Protocol::JsonAfterQuery
        | Protocol::Connect
        | Protocol::CircleCi
        | Protocol::GitHub
        | Protocol::Slack
        | Protocol::Otlp => SignedDuration::from_mins(5),
    }
}

impl Refusal {
    /// The service's error for it.
    pub fn error(&self, service: Service) -> ServiceError {
        let status = match (service.protocol(), self) {
            (Protocol::Ec2, Self::SessionExpired | Self::Skewed { .. }) => StatusCode::BAD_REQUEST,
            (_, Self::Incomplete(_)) => StatusCode::BAD_REQUEST,
            (Protocol::Ec2 | Protocol::Connect | Protocol::GitHub, _) => StatusCode::UNAUTHORIZED,
            _ => StatusCode::FORBIDDEN,
        };
        ServiceError::new(status, self.code(service.protocol()), self.message(service))
    }

    fn code(&self, protocol: Protocol) -> &'static str {
        match protocol {
            Protocol::RestJson
            | Protocol::Json
            | Protocol::JsonAfterQuery
            | Protocol::Connect
            | Protocol::CircleCi
            | Protocol::GitHub
            | Protocol::Slack
            | Protocol::Otlp => match self {
                Self::Unsigned => "MissingAuthenticationTokenException",
                Self::Incomplete(_) => "IncompleteSignatureException",
                Self::UnknownKey => "UnrecognizedClientException",
                Self::WrongSignature | Self::Skewed { .. } => "InvalidSignatureException",
                Self::SessionExpired => "ExpiredTokenException",
            },
            Protocol::Query => match self {
                Self::Unsigned => "MissingAuthenticationToken",
                Self::Incomplete(_) => "IncompleteSignature",
                Self::UnknownKey => "InvalidClientTokenId",
                Self::WrongSignature | Self::Skewed { .. } => "SignatureDoesNotMatch",
                Self::SessionExpired => "ExpiredToken",
            },
            Protocol::Ec2 => match self {
                Self::Unsigned => "MissingAuthenticationToken",
                Self::Incomplete(_) => "IncompleteSignature",
                Self::UnknownKey | Self::WrongSignature => "AuthFailure",
                Self::SessionExpired | Self::Skewed { .. } => "RequestExpired",
            },
        }
    }

    fn message(&self, service: Service) -> String {
        match self {
            Self::UnknownKey | Self::WrongSignature if service.protocol() == Protocol::Ec2 => {
                "AWS was not able to validate the provided access credentials".into()
            }
            _ if service.protocol() == Protocol::Connect => "Invalid token signature".into(),
            Self::Unsigned => "Missing Authentication Token".into(),
            Self::Incomplete(what) => what.clone(),
            Self::UnknownKey => "The security token included in the request is invalid.".into(),
            Self::WrongSignature => {
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. Consult the service \
                 documentation for details."
                    .into()
            }
            Self::SessionExpired => "The security token included in the request is expired".into(),
            Self::Skewed { signed, now } => {
                let allowed = allowed_skew(service);
                let minutes = allowed.as_secs() / 60;
                let (verb, limit, sign) = if signed < now {
                    (
                        "Signature expired",
                        now.saturating_sub(allowed),
                        "earlier than",
                    )
                } else {
                    (
                        "Signature not yet current",
                        now.saturating_add(allowed),
                        "later than",
                    )
                };
                let limit = limit.unwrap_or(*now);
                format!(
                    "{verb}: {} is now {sign} {} ({} {} {minutes} min.)",
                    basic(*signed),
                    basic(limit),
                    basic(*now),
                    if signed < now { '-' } else { '+' }
                )
            }
        }
    }
}

fn basic(time: Timestamp) -> impl std::fmt::Display {
    time.strftime("%Y%m%dT%H%M%SZ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_own_codes() {
        let codes = |refusal: Refusal| {
            [Service::Eks, Service::Sts, Service::Ec2].map(|service| {
                let error = refusal.error(service);
                format!("{} {}", error.status.as_u16(), error.code)
            })
        };
        assert_eq!(
            codes(Refusal::UnknownKey),
            [
                "403 UnrecognizedClientException",
                "403 InvalidClientTokenId",
                "401 AuthFailure"
            ]
        );
        assert_eq!(
            codes(Refusal::WrongSignature),
            [
                "403 InvalidSignatureException",
                "403 SignatureDoesNotMatch",
                "401 AuthFailure"
            ]
        );
        assert_eq!(
            codes(Refusal::SessionExpired),
            [
                "403 ExpiredTokenException",
                "403 ExpiredToken",
                "400 RequestExpired"
            ]
        );
    }

    #[test]
    fn a_skewed_clock_is_told_both_times() {
        let refusal = Refusal::Skewed {
            signed: "2026-01-01T00:00:00Z".parse().unwrap(),
            now: "2026-01-01T01:00:00Z".parse().unwrap(),
        };
        assert_eq!(
            refusal.error(Service::Eks).message,
            "Signature expired: 20260101T000000Z is now earlier than 20260101T005500Z \
             (20260101T010000Z - 5 min.)"
        );
    }
}
