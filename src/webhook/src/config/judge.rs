//! From what is written to what is valid: each value is checked once, and refused with its line and its rule.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use esi_core::names::ServerName;
use esi_core::span;
use serde_saphyr::Spanned;

use super::document::{self, Document, Init};
use super::{ConfigError, Configuration, InitContainer, Server, trust};

/// Whom the tokens of the only server are for, as `esi-federation` has it by default.
const STANDARD_AUDIENCE: &str = "esi";
/// Most bytes of an audience: longer than any URL that is one.
const MAX_AUDIENCE_BYTES: usize = 253;
/// Most bytes of an image's name, its digest included.
const MAX_IMAGE_BYTES: usize = 512;
/// The account `nobody` of distroless images.
const STANDARD_USER: u32 = 65532;
/// The largest user id that Kubernetes takes.
const MAX_USER: u32 = i32::MAX as u32;
/// `esi-cli init` needs 8 MiB at most (the budget), and half of that again for a large plan.
const STANDARD_CPU: &str = "10m";
const STANDARD_MEMORY: &str = "32Mi";
/// As `esi-cli` has it by default.
const STANDARD_DEADLINE: Duration = Duration::from_secs(120);
const DEADLINES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60 * 60)];
/// The shortest that Kubernetes gives: the token is used once, at the start.
const STANDARD_TOKEN_LIFETIME: Duration = Duration::from_secs(600);
const TOKEN_LIFETIMES: [Duration; 2] = [Duration::from_secs(600), Duration::from_secs(3600)];

/// What a configuration was made of.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) configuration: Configuration,
    /// The CA files that it names.
    pub(super) ca_files: Vec<PathBuf>,
}

/// Reads a configuration. `read_ca` reads a CA file: the only thing outside `text`.
pub(super) fn judge(
    text: &str,
    read_ca: &dyn Fn(&Path) -> Result<String, String>,
) -> Result<Judged, ConfigError> {
    let Document {
        servers,
        delivery,
        volume,
        init,
    } = document::read(text)?;
    let mut ca_files = Vec::new();
    let mut judged = BTreeMap::new();
    for (name, server) in servers {
        let server = judge_server(&name, server, &judged, &mut ca_files, read_ca)?;
        judged.insert(name, server);
    }
    if judged.is_empty() {
        return Err(ConfigError::syntax(
            None,
            "servers: name at least one server".to_owned(),
        ));
    }
    Ok(Judged {
        configuration: Configuration {
            servers: judged,
            delivery,
            volume,
            init: judge_init(init)?,
        },
        ca_files,
    })
}

fn judge_server(
    name: &ServerName,
    server: Spanned<document::Server>,
    others: &BTreeMap<ServerName, Server>,
    ca_files: &mut Vec<PathBuf>,
    read_ca: &dyn Fn(&Path) -> Result<String, String>,
) -> Result<Server, ConfigError> {
    let line = server.referenced.line();
    let document::Server {
        url,
        ca,
        ca_file,
        audience,
    } = server.value;
    let at = |line, field: &str, problem: String| ConfigError::Value {
        line,
        field: format!("servers.{name}.{field}"),
        problem,
    };
    let of = |value: &Spanned<String>, field: &str, problem| at(value.referenced.line(), field, problem);

    let ca = match (ca, ca_file) {
        (Some(pem), None) => trust::certificates(&pem.value).map_err(|problem| of(&pem, "ca", problem))?,
        (None, Some(file)) => {
            let path = file.value;
            let pem = read_ca(&path).and_then(|text| trust::certificates(&text));
            ca_files.push(path);
            pem.map_err(|problem| at(file.referenced.line(), "caFile", problem))?
        }
        _ => {
            let problem = "write exactly one of `ca` (certificates in PEM) and `caFile`".to_owned();
            return Err(at(line, "ca", problem));
        }
    };
    let audience_line = audience
        .as_ref()
        .map_or(line, |audience| audience.referenced.line());
    let judged = Server {
        url: judge_url(&url.value).map_err(|problem| of(&url, "url", problem))?,
        ca,
        audience: audience.map_or_else(|| STANDARD_AUDIENCE.to_owned(), |audience| audience.value),
    };
    let of_audience = |problem| at(audience_line, "audience", problem);
    let good = |c: char| c.is_ascii_graphic();
    if !(1..=MAX_AUDIENCE_BYTES).contains(&judged.audience.len()) || !judged.audience.chars().all(good) {
        let problem = format!("write 1 to {MAX_AUDIENCE_BYTES} printable characters without blanks");
        return Err(of_audience(problem));
    }
    // A server could show another one the token that it was shown.
    let twin = others
        .iter()
        .find(|(_, other)| other.audience == judged.audience && other.url != judged.url);
    match twin {
        Some((other, _)) => Err(of_audience(format!(
            "`{}` is the audience of server `{other}` too: give each server its own (its --audience)",
            judged.audience
        ))),
        None => Ok(judged),
    }
}

/// `https://host[:port]` and nothing else.
fn judge_url(text: &str) -> Result<String, String> {
    let bad = || "write https://HOST or https://HOST:PORT, without user, path or query".to_owned();
    let text = text.strip_suffix('/').unwrap_or(text);
    let url: Uri = text.parse().map_err(|_syntax| bad())?;
    let (Some(host), Some(authority)) = (url.host(), url.authority()) else {
        return Err(bad());
    };
    if url.scheme_str() == Some("http") {
        return Err("write https: a token is never shown to a server without TLS".to_owned());
    }
    // Whatever else was in the text is missing here: a path, a query, a fragment, upper case in the scheme.
    if host.is_empty() || authority.as_str().contains('@') || text != format!("https://{authority}") {
        return Err(bad());
    }
    Ok(text.to_owned())
}

fn judge_init(init: Init) -> Result<InitContainer, ConfigError> {
    let Init {
        image,
        image_pull_policy,
        run_as_user,
        cpu,
        memory,
        deadline,
        token_lifetime,
    } = init;
    Ok(InitContainer {
        image: checked(image, "image", |text| {
            let good =
                (1..=MAX_IMAGE_BYTES).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
            good.then_some(text)
                .ok_or_else(|| "write an image such as registry.example.com/esi-cli:1.0".to_owned())
        })?,
        image_pull_policy: image_pull_policy
            .map(|policy| checked(policy, "imagePullPolicy", judge_pull_policy))
            .transpose()?,
        run_as_user: run_as_user.map_or(Ok(STANDARD_USER), |user| {
            checked(user, "runAsUser", |user| match user {
                1..=MAX_USER => Ok(user),
                _ => Err(format!(
                    "write a user id from 1 to {MAX_USER}: it never runs as root"
                )),
            })
        })?,
        cpu: quantity(cpu, "cpu", STANDARD_CPU, &["m", ""])?,
        memory: quantity(
            memory,
            "memory",
            STANDARD_MEMORY,
            &["Ki", "Mi", "Gi", "k", "M", "G", ""],
        )?,
        deadline: duration(deadline, "deadline", STANDARD_DEADLINE, DEADLINES)?,
        token_lifetime: duration(
            token_lifetime,
            "tokenLifetime",
            STANDARD_TOKEN_LIFETIME,
            TOKEN_LIFETIMES,
        )?,
    })
}

fn checked<T, U>(
    value: Spanned<T>,
    field: &str,
    check: impl FnOnce(T) -> Result<U, String>,
) -> Result<U, ConfigError> {
    let line = value.referenced.line();
    check(value.value).map_err(|problem| ConfigError::Value {
        line,
        field: format!("init.{field}"),
        problem,
    })
}

fn judge_pull_policy(text: String) -> Result<String, String> {
    match text.as_str() {
        "Always" | "IfNotPresent" | "Never" => Ok(text),
        _ => Err("write Always, IfNotPresent or Never".to_owned()),
    }
}

fn quantity(
    value: Option<Spanned<String>>,
    field: &str,
    standard: &str,
    suffixes: &[&str],
) -> Result<String, ConfigError> {
    let Some(value) = value else {
        return Ok(standard.to_owned());
    };
    checked(value, field, |text| {
        let number = suffixes.iter().find_map(|suffix| text.strip_suffix(suffix));
        let good = number.is_some_and(|number| {
            (1..=12).contains(&number.len())
                && number.chars().all(|c| c.is_ascii_digit())
                && number.chars().any(|c| c != '0')
        });
        good.then_some(text)
            .ok_or_else(|| format!("write a whole number with a unit, such as {standard}"))
    })
}

fn duration(
    value: Option<Spanned<String>>,
    field: &str,
    standard: Duration,
    [least, most]: [Duration; 2],
) -> Result<Duration, ConfigError> {
    let Some(value) = value else {
        return Ok(standard);
    };
    checked(value, field, |text| {
        let duration = span::parse(&text).map_err(|error| error.to_string())?;
        if (least..=most).contains(&duration) {
            Ok(duration)
        } else {
            let (least, most) = (span::format(least), span::format(most));
            Err(format!("write a duration from {least} to {most}"))
        }
    })
}
