//! Which proxy, if any, stands between psk and an API server, by the environment's usual variables.

use std::net::IpAddr;

use url::Url;

use crate::env::Env;

/// The proxy that the environment names for `server`: `HTTPS_PROXY`, else `ALL_PROXY`, unless
/// `NO_PROXY` names the server. The names in small letters count as well and come first, as curl and
/// Go have it.
pub(super) fn proxy_for<'a>(env: &'a Env, server: &Url) -> Option<&'a str> {
    let variable = |name: &str| {
        env.get(&name.to_ascii_lowercase())
            .or_else(|| env.get(name))
    };
    let proxy = variable("HTTPS_PROXY").or_else(|| variable("ALL_PROXY"))?;
    let exempt = variable("NO_PROXY").unwrap_or_default();
    let host = server.host_str()?.trim_matches(['[', ']']);
    let exempted = exempt
        .split(',')
        .map(str::trim)
        .any(|pattern| matches(pattern, host, server.port_or_known_default()));
    (!exempted).then_some(proxy)
}

/// Whether one entry of `NO_PROXY` names the host: all (`*`), an address, a range of addresses
/// (`10.0.0.0/8`), or a domain with all that is below it.
fn matches(pattern: &str, host: &str, port: Option<u16>) -> bool {
    if pattern.is_empty() {
        return false;
    }
    if pattern == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return match pattern.split_once('/') {
            Some((network, bits)) => network
                .parse()
                .ok()
                .zip(bits.parse().ok())
                .is_some_and(|(network, bits)| within(address, network, bits)),
            None => pattern.parse() == Ok(address),
        };
    }
    let (domain, only_port) = match pattern.rsplit_once(':') {
        Some((domain, digits)) => (domain, digits.parse::<u16>().ok()),
        None => (pattern, None),
    };
    if only_port.is_some() && only_port != port {
        return false;
    }
    let domain = domain.trim_start_matches('*').trim_start_matches('.');
    let host = host.to_ascii_lowercase();
    let domain = domain.to_ascii_lowercase();
    host == domain
        || host
            .strip_suffix(&domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let shift = width.saturating_sub(bits);
        bits <= width && (shift == 128 || a >> shift == b >> shift)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => same(u32::from(a).into(), u32::from(n).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => same(a.into(), n.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(variables: &[(&str, &str)], server: &str) -> Option<String> {
        let env: Env = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        proxy_for(&env, &server.parse().unwrap()).map(str::to_owned)
    }

    #[test]
    fn the_usual_variables_are_obeyed() {
        let server = "https://ABCD.gr7.us-east-2.eks.amazonaws.com";
        assert_eq!(proxy(&[], server), None);
        assert_eq!(proxy(&[("HTTP_PROXY", "http://p:1")], server), None);
        let set = [("HTTPS_PROXY", "http://p:1"), ("https_proxy", "http://q:2")];
        assert_eq!(proxy(&set, server).as_deref(), Some("http://q:2"));
        assert_eq!(
            proxy(&[("ALL_PROXY", "socks5://s:3")], server).as_deref(),
            Some("socks5://s:3")
        );
    }

    #[test]
    fn what_no_proxy_names_is_reached_directly() {
        let reached = |exempt: &str, server: &str| {
            proxy(
                &[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", exempt)],
                server,
            )
            .is_none()
        };
        let eks = "https://abcd.gr7.us-east-2.eks.amazonaws.com";
        for exempt in [
            "*",
            ".amazonaws.com",
            "other, amazonaws.com",
            "*.eks.amazonaws.com:443",
        ] {
            assert!(reached(exempt, eks), "{exempt}");
        }
        for exempt in ["", "aws.com", "amazonaws.com:8443", "10.0.0.0/8"] {
            assert!(!reached(exempt, eks), "{exempt}");
        }
        for exempt in ["127.0.0.1", "127.0.0.0/8", "0.0.0.0/0"] {
            assert!(reached(exempt, "https://127.0.0.1:6443"), "{exempt}");
        }
        for exempt in ["127.0.0.2", "127.0.0.0/33", "10.0.0.0/8", "::/0"] {
            assert!(!reached(exempt, "https://127.0.0.1:6443"), "{exempt}");
        }
        assert!(reached("::1", "https://[::1]:6443"));
    }
}
