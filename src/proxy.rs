//! HTTP clients that go by the proxies which the environment names. The environment is passed in, so
//! that a lab is reached directly whatever the process's own says.

use reqwest::{ClientBuilder, NoProxy, Proxy};

use crate::env::Env;

/// Makes a proxy that stands before some addresses or all.
type Kind = fn(&str) -> reqwest::Result<Proxy>;

/// A variable names a proxy that can't be one. Its value isn't repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is no proxy's address")]
pub struct BadProxy {
    /// The variable.
    pub variable: &'static str,
}

/// The client with the proxies of the environment: `HTTP_PROXY` and `HTTPS_PROXY` by the scheme of what
/// is asked for, else `ALL_PROXY`, and none for the hosts in `NO_PROXY`. The names in small letters
/// count as well and come first, as curl and Go have it.
///
/// # Errors
/// A variable whose value is no proxy's address.
pub fn through(client: ClientBuilder, env: &Env) -> Result<ClientBuilder, BadProxy> {
    let variable = |name: &str| {
        env.get(&name.to_ascii_lowercase())
            .or_else(|| env.get(name))
    };
    let exempt = variable("NO_PROXY").and_then(NoProxy::from_string);
    let kinds: [(_, Kind); 3] = [
        ("HTTP_PROXY", |address| Proxy::http(address)),
        ("HTTPS_PROXY", |address| Proxy::https(address)),
        ("ALL_PROXY", |address| Proxy::all(address)),
    ];
    // Without this, reqwest reads the process's own environment.
    let mut client = client.no_proxy();
    for (name, kind) in kinds {
        if let Some(address) = variable(name) {
            let proxy = kind(address).map_err(|_| BadProxy { variable: name })?;
            client = client.proxy(proxy.no_proxy(exempt.clone()));
        }
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// A server that answers one request with 204, and the first line of what it was asked.
    async fn answer(listener: TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let asked = String::from_utf8(asked).unwrap();
        asked.lines().next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_proxy_is_asked_unless_the_host_is_exempt() {
        for (exempt, asked) in [
            ("other.example", "GET http://127.0.0.1:PORT/x HTTP/1.1"),
            ("127.0.0.1", "GET /x HTTP/1.1"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let port = listener.local_addr().unwrap().port().to_string();
            let env = env(&[
                ("http_proxy", &address),
                ("HTTP_PROXY", "http://unused.example"),
                ("NO_PROXY", exempt),
            ]);
            let client = through(reqwest::Client::builder(), &env).unwrap();
            let url = format!("{address}/x");
            let request = client.build().unwrap().get(url).send();
            let (answered, told) = tokio::join!(request, answer(listener));
            assert_eq!(answered.unwrap().status(), 204);
            assert_eq!(told, asked.replace("PORT", &port));
        }
    }

    #[test]
    fn what_is_no_address_is_told_by_its_variable_alone() {
        let env = env(&[("ALL_PROXY", "user:canary@")]);
        let told = through(reqwest::Client::builder(), &env).err().unwrap();
        assert_eq!(told.to_string(), "ALL_PROXY is no proxy's address");
    }
}
