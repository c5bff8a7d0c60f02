//! Lets a request in, or says why not.

use std::sync::MutexGuard;

use http::StatusCode;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use super::refusal::{Refusal, allowed_skew};
use super::service::Service;
use super::sigv4::Signature;
use crate::call::{Call, ServiceError};
use crate::credentials::Credential;
use crate::wire::Protocol;
use crate::wire::form::Form;
use crate::world::World;
use crate::{circleci, connect, github, otlp, slack, sts};

/// The region of a request that doesn't say.
const DEFAULT_REGION: &str = "us-east-1";

/// A request whose service is known and whose caller is who it says.
#[derive(Debug)]
pub struct Admitted {
    /// The service that it is for.
    pub service: Service,
    /// The request.
    pub call: Call,
}

/// A request that wasn't let in.
#[derive(Debug)]
pub struct Refused {
    /// The service that it was for, if that much is known.
    pub service: Option<Service>,
    /// The operation that it asked for, as far as it can be told.
    pub operation: String,
    /// What to answer.
    pub error: ServiceError,
}

impl Refused {
    /// The protocol to answer in. What no service claims is answered as REST services do.
    pub fn protocol(&self) -> Protocol {
        self.service.map_or(Protocol::RestJson, Service::protocol)
    }
}

/// Finds out whom a request is for and from, and checks that it may come in.
///
/// `received` is real time. The call's [`Call::now`] is the world's at that moment. The world is
/// locked only for as long as something is looked up in it: signatures, which take longest, are
/// checked beside one another.
///
/// # Errors
/// What to answer instead.
pub fn admit<'w>(
    world: &impl Fn() -> MutexGuard<'w, World>,
    parts: &Parts,
    body: Vec<u8>,
    request_id: String,
    received: Timestamp,
) -> Result<Admitted, Refused> {
    let now = world().clock.at(received);
    let arrival = Arrival::new(now, parts, body, request_id, received);
    match Signature::read(parts, &arrival.call.query) {
        Err(refusal) => Err(arrival.refuse(arrival.guess(), &refusal)),
        Ok(Some(signature)) => {
            let credential = world().credentials.get(&signature.access_key).cloned();
            arrival.signed(credential, signature)
        }
        Ok(None) if github::serves(&arrival.call.path) => arrival.with_github_token(&world()),
        Ok(None) if slack::serves(&arrival.call.path) => arrival.with_slack_token(&world()),
        // Its path begins as Connect's do.
        Ok(None) if otlp::serves(&arrival.call.path) => Ok(arrival.open_to_all()),
        Ok(None) if connect::serves(&arrival.call.path) => arrival.with_token(&world()),
        Ok(None) if circleci::serves(&arrival.call.path) => arrival.with_circle_token(&world()),
        Ok(None) => arrival.unsigned(),
    }
}

/// A request that stands at the door.
struct Arrival<'a> {
    parts: &'a Parts,
    form: Form,
    /// Without caller and operation so far.
    call: Call,
}

impl<'a> Arrival<'a> {
    fn new(
        now: Timestamp,
        parts: &'a Parts,
        body: Vec<u8>,
        request_id: String,
        received: Timestamp,
    ) -> Self {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let call = Call {
            region: DEFAULT_REGION.to_owned(),
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: form_urlencoded::parse(query).into_owned().collect(),
            headers: parts.headers.clone(),
            body,
            request_id,
            now,
            received,
            ..Call::default()
        };
        let form = if is_form(parts) {
            Form::of(&call)
        } else {
            Form::default()
        };
        Self { parts, form, call }
    }

    fn signed(
        mut self,
        credential: Option<Credential>,
        signature: Signature,
    ) -> Result<Admitted, Refused> {
        let service = Service::from_scope(&signature.service)
            .ok_or_else(|| unknown_service(&signature.service))?;
        self.call.operation = self.operation(service);
        let caller = check(credential, self.parts, &self.call, &signature, service)
            .map_err(|refusal| self.refuse(service, &refusal))?;
        let mut call = self.call;
        call.account = caller.account;
        call.principal = caller.principal;
        call.region = signature.region;
        call.access_key = Some(signature.access_key);
        Ok(Admitted { service, call })
    }

    fn with_token(mut self, world: &World) -> Result<Admitted, Refused> {
        let service = Service::Connect;
        self.call.operation = self.operation(service);
        let header = self.parts.headers.get(http::header::AUTHORIZATION);
        let authorization = header.and_then(|value| value.to_str().ok());
        match connect::authenticate(&world.connect, &self.call.path, authorization) {
            Ok(token) => {
                self.call.principal = token;
                self.call.basis = connect::basis(&world.connect, &self.call);
                let call = self.call;
                Ok(Admitted { service, call })
            }
            Err(error) => Err(self.refuse_with(service, error)),
        }
    }

    fn with_circle_token(mut self, world: &World) -> Result<Admitted, Refused> {
        let service = Service::CircleCi;
        self.call.operation = self.operation(service);
        let token = self.parts.headers.get("circle-token");
        let token = token.and_then(|value| value.to_str().ok());
        match circleci::authenticate(&world.circleci, &self.call.operation, token) {
            Ok(()) => {
                let call = self.call;
                Ok(Admitted { service, call })
            }
            Err(error) => Err(self.refuse_with(service, error)),
        }
    }

    fn with_github_token(mut self, world: &World) -> Result<Admitted, Refused> {
        let service = Service::GitHub;
        self.call.operation = self.operation(service);
        let authorization = self.call.header("authorization");
        match github::authenticate(&world.github, authorization, &self.call) {
            Ok(caller) => {
                self.call.principal = caller;
                let call = self.call;
                Ok(Admitted { service, call })
            }
            Err(error) => Err(self.refuse_with(service, error)),
        }
    }

    fn with_slack_token(mut self, world: &World) -> Result<Admitted, Refused> {
        let service = Service::Slack;
        self.call.operation = self.operation(service);
        let authorization = self.call.header("authorization");
        match slack::authenticate(&world.slack, authorization) {
            Ok(token) => {
                self.call.principal = token;
                let call = self.call;
                Ok(Admitted { service, call })
            }
            Err(error) => Err(self.refuse_with(service, error)),
        }
    }

    /// A collector asks for no token.
    fn open_to_all(mut self) -> Admitted {
        let service = Service::Otlp;
        self.call.operation = self.operation(service);
        let call = self.call;
        Admitted { service, call }
    }

    fn unsigned(mut self) -> Result<Admitted, Refused> {
        let service = self.guess();
        self.call.operation = self.operation(service);
        if service == Service::Sts && sts::is_unsigned(&self.call.operation) {
            self.call.account = sts::account_of_role(&self.form).unwrap_or_default();
            let call = self.call;
            return Ok(Admitted { service, call });
        }
        Err(self.refuse(service, &Refusal::Unsigned))
    }

    fn operation(&self, service: Service) -> String {
        let Parts {
            method, headers, ..
        } = self.parts;
        service.operation(method, &self.call.path, headers, &self.form)
    }

    /// The service that a request without a scope is most likely meant for, so that it is refused
    /// in words that its client understands.
    fn guess(&self) -> Service {
        if self.parts.headers.contains_key("x-amz-target") {
            Service::Ssm
        } else if self.form.get("Version") == Some("2016-11-15") {
            Service::Ec2
        } else if self.form.get("Action").is_some() {
            Service::Sts
        } else {
            Service::Eks
        }
    }

    fn refuse(&self, service: Service, refusal: &Refusal) -> Refused {
        self.refuse_with(service, refusal.error(service))
    }

    fn refuse_with(&self, service: Service, error: ServiceError) -> Refused {
        let operation = self.call.operation.clone();
        Refused {
            service: Some(service),
            operation,
            error,
        }
    }
}

/// Checks a signature and returns whose it is.
fn check(
    credential: Option<Credential>,
    parts: &Parts,
    call: &Call,
    signature: &Signature,
    service: Service,
) -> Result<Credential, Refusal> {
    let received = call.received;
    let credential = credential.ok_or(Refusal::UnknownKey)?;
    let token = credential
        .session
        .as_ref()
        .map(|session| session.token.as_str());
    if token != signature.token.as_deref() {
        return Err(Refusal::UnknownKey);
    }
    signature.verify(parts, &call.body, &credential)?;
    if credential
        .session
        .as_ref()
        .is_some_and(|session| session.expires <= received)
    {
        return Err(Refusal::SessionExpired);
    }
    let age = received.duration_since(signature.signed_at);
    let oldest = signature
        .expires_in
        .map_or(allowed_skew(service), |good_for| {
            SignedDuration::try_from(good_for).unwrap_or(SignedDuration::MAX)
        });
    if age > oldest || age < -allowed_skew(service) {
        return Err(Refusal::Skewed {
            signed: signature.signed_at,
            now: received,
        });
    }
    Ok(credential)
}

/// Whether parameters come as a form: in the query string, or in a body that says so. (botocore
/// says so with a charset behind it.)
fn is_form(parts: &Parts) -> bool {
    parts.method == http::Method::GET
        || parts
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

fn unknown_service(name: &str) -> Refused {
    let known = Service::AWS.map(Service::name).join(", ");
    Refused {
        service: None,
        operation: String::new(),
        error: ServiceError::new(
            StatusCode::NOT_IMPLEMENTED,
            "UnknownServiceException",
            format!(
                "the lab has no service `{name}`; it has {known}, 1Password Connect, GitHub, Slack and a \
                 collector of traces"
            ),
        ),
    }
}
