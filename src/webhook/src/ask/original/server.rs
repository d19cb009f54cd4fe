//! `federated-server-url` and `federated-auth`: which configured server is meant. A pod's annotation selects among
//! the configured servers and never adds one: its token is shown to nobody else.

use esi_core::names::ServerName;

use crate::ask::Surroundings;
use crate::ask::annotations::{Annotations, OWN};
use crate::ask::check::listed;
use crate::ask::error::AskError;
use crate::ask::text::{Text, quote};
use crate::config::Configuration;

const KEY: &str = "federated-server-url";

/// The configured server whose URL the annotation has.
pub(super) fn find<'a>(
    original: &Annotations<'_>,
    Surroundings {
        namespace, config, ..
    }: Surroundings<'a>,
) -> Result<&'a ServerName, AskError> {
    let Some(url) = original.get(KEY)? else {
        let place = if original.has("externalsecret") {
            "externalsecret"
        } else {
            KEY
        };
        return Err(AskError::not_offered(
            original.place(place),
            format!(
                "without `{}` it would be read from a Secret of this cluster, which is not offered: write \
                 `{OWN}generator: Kind/{namespace}/NAME` and `{OWN}env: DB_USER=username` in the place of these \
                 annotations",
                original.name(KEY)
            ),
        ));
    };
    authentication(original)?;
    let wanted = Url::of(url);
    let mut found = config
        .servers
        .iter()
        .filter(|(_, server)| wanted.is_some() && Url::of(&server.url) == wanted);
    match (found.next(), found.next()) {
        (Some((name, _)), None) => Ok(name),
        (None, _) => Err(AskError::UnknownServer {
            place: Text::new(original.place(KEY)),
            server: Text::new(quote(url)),
            configured: Text::new(urls(config)),
        }),
        (Some((one, _)), Some((other, _))) => Err(original.malformed(
            KEY,
            format!(
                "`{one}` and `{other}` are configured with this URL, and only their names tell them apart: use \
                 `{OWN}generator` with `{OWN}server`"
            ),
        )),
    }
}

fn authentication(original: &Annotations<'_>) -> Result<(), AskError> {
    let key = "federated-auth";
    match original.get(key)? {
        None | Some("kubernetes") => Ok(()),
        Some(other @ ("spiffe" | "okta" | "pingidentity")) => Err(AskError::not_offered(
            original.place(key),
            format!(
                "pods authenticate with their Kubernetes token; `{other}` is not offered yet: write `{}: kubernetes`, \
                 or remove it",
                original.name(key)
            ),
        )),
        Some(other) => Err(original.malformed(
            key,
            format!(
                "`{}` is no authentication: write `kubernetes`, or remove it",
                quote(other)
            ),
        )),
    }
}

fn urls(config: &Configuration) -> String {
    let urls = config
        .servers
        .values()
        .map(|server| format!("`{}`", quote(&server.url)));
    listed(urls, config.servers.len())
}

/// What of a URL decides which server it is.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    scheme: String,
    host: String,
    port: u16,
}

impl Url {
    /// Reads `scheme://host[:port][/]`. What has a path, a user or a query is no server's URL.
    fn of(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(|c: char| "/?#@\\".contains(c) || !c.is_ascii_graphic())
        {
            return None;
        }
        // Colons inside brackets belong to an IPv6 address.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, "")) => (host, default),
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, default),
        };
        let host = host.to_ascii_lowercase();
        Some(Self { scheme, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_difference_is_not_compared() {
        let url = Url::of("https://esi.example.com");
        assert!(url.is_some());
        for same in [
            "https://esi.example.com/",
            "https://ESI.example.COM:443",
            "HTTPS://esi.example.com:/",
            "https://esi.example.com:0443",
        ] {
            assert_eq!(Url::of(same), url, "{same}");
        }
        assert_eq!(Url::of("https://[::1]"), Url::of("https://[::1]:443/"));
    }

    #[test]
    fn another_scheme_host_or_port_is_another_server() {
        let url = Url::of("https://esi.example.com");
        for other in [
            "http://esi.example.com",
            "http://esi.example.com:443",
            "https://esi.example.com:8443",
            "https://esi.example.co",
            "https://esi.example.com.",
            "https://esi.example.com/path",
            "https://esi.example.com//",
            "https://esi.example.com@evil.example",
            "https://user@esi.example.com",
            "https://esi.example.com?x",
            "https://esi.example.com#x",
            "https://esi.example.com:99999",
            "https://esi.example.com\\.evil.example",
            "https://\u{435}si.example.com",
            "esi.example.com",
            "https://",
            "",
        ] {
            assert_ne!(Url::of(other), url, "{other}");
        }
    }
}
