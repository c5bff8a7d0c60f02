//! The front door: which service a request is for, who sends it, and whether to let it in.
//!
//! A real client finds a service by its host name. The lab has one address for all, so it goes by
//! what the client signs: the credential scope names the service and the region. Requests that
//! aren't signed are Connect's or GitHub's (by their path) or STS's (by their action).

pub mod admit;
pub mod refusal;
pub mod service;
pub mod sigv4;
