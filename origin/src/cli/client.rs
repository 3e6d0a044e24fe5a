//! A client of a running server, origin or edge, over its public API.

use std::{fs, path::Path, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use rollcall_core::{config::Settings, secret::Secret};
use rollcall_origin::data_dir::{DataDir, InUse};
use serde_json::Value;
use ureq::{
    Agent, Proxy,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::{exit::CliError, output::sanitize};

/// Names the server for commands that talk to one.
pub(super) const URL_VARIABLE: &str = "ROLLCALL_URL";
const TOKEN_VARIABLE: &str = "ROLLCALL_TOKEN";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Above the server's own bound for a request, which answers or closes before.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest answer: a full page of records, or what a hundred users with many connections have.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// Success in the message center's envelope.
const SUCCESS: &str = "S";
/// The codes of OpenIM's endpoints about the caller's own token.
const TOKEN_CODES: std::ops::RangeInclusive<i64> = 1501..=1507;
const NO_PERMISSION: i64 = 1002;

/// The arguments that name a server.
#[derive(Args)]
pub(super) struct ServerArgs {
    /// The server, origin or edge; without it the one that runs on server.data_dir
    #[arg(long, env = URL_VARIABLE, value_name = "URL", global = true, help_heading = "Server")]
    url: Option<String>,
    /// A PEM file of the authorities to trust in the place of the public ones
    #[arg(long, env = "ROLLCALL_CA", global = true, value_name = "FILE", help_heading = "Server")]
    ca: Option<PathBuf>,
}

/// The argument with the token.
#[derive(Args)]
struct TokenArgs {
    /// An administrator's token. Prefer the variable: other users of this machine can read a command line
    #[arg(long, env = TOKEN_VARIABLE, hide_env_values = true, value_name = "TOKEN", help_heading = "Server")]
    token: Option<Secret<String>>,
}

/// The arguments of every command that calls a server as an administrator.
#[derive(Args)]
pub(super) struct CallArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    token: TokenArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// A server to call.
pub(super) struct Server {
    agent: Agent,
    url: String,
    token: Option<Secret<String>>,
}

/// One answer with its whole body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl ServerArgs {
    /// Whether a URL is given.
    pub(super) const fn has_url(&self) -> bool {
        self.url.is_some()
    }

    /// The named server, or the one that runs on this machine's data directory; without a token.
    ///
    /// # Errors
    /// When no server is named and none runs here.
    pub(super) fn server(&self, settings: &Settings) -> anyhow::Result<Server> {
        if let Some(url) = &self.url {
            return Server::new(url, self.ca.as_deref(), Proxy::try_from_env());
        }
        let data_dir = Path::new(&settings.server.data_dir);
        match DataDir::user_of(data_dir)? {
            Some(in_use) => self.local(in_use),
            None => bail!(CliError::Usage(format!(
                "no server runs on {}; name one with --url or {URL_VARIABLE}",
                data_dir.display()
            ))),
        }
    }

    /// The server that uses a data directory of this machine.
    pub(super) fn local(&self, in_use: InUse) -> anyhow::Result<Server> {
        let url =
            in_use.url.context("the server that uses the data directory is still starting; try again")?;
        Server::new(&url, self.ca.as_deref(), None)
    }
}

impl CallArgs {
    /// The named server, called with the token.
    ///
    /// # Errors
    /// When no token is given, and as [`ServerArgs::server`].
    pub(super) fn server(&self, settings: &Settings) -> anyhow::Result<Server> {
        let token = self.token.token.clone().filter(|token| !token.expose().trim().is_empty());
        let token = token.ok_or_else(|| CliError::Token(format!("no token is given. {ADMIN_HINT}")))?;
        Ok(self.server.server(settings)?.with_token(Secret::new(token.expose().trim().to_owned())))
    }
}

/// Good for every command.
const ADMIN_HINT: &str = "Make an OpenIM administrator's with: export ROLLCALL_TOKEN=$(rollcall token admin)";
/// For what the message center answers alone.
const CONSOLE_HINT: &str = "Make an OpenIM administrator's with: export ROLLCALL_TOKEN=$(rollcall token admin) - or use a sys_admin's of auth.tokens";
const TENANT_HINT: &str = "Another tenant than the token's own takes an OpenIM administrator's token, or one of message_center.operator_client_id";
/// The key of refusals that are about a named tenant.
const FOREIGN_TENANT: &str = "fatal_exit";

impl Server {
    /// The server at `url`.
    pub(super) fn new(url: &str, ca: Option<&Path>, proxy: Option<Proxy>) -> anyhow::Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!(CliError::Usage(format!(
                "{url:?} is no address of a server: expected http://… or https://…"
            )));
        }
        let mut tls = TlsConfig::builder();
        if let Some(ca) = ca {
            tls = tls.root_certs(authorities(ca)?);
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would carry the token to another host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT))
            .proxy(proxy)
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            .build()
            .new_agent();
        Ok(Self { agent, url: url.trim_end_matches('/').to_owned(), token: None })
    }

    /// The same server, called with `token`.
    pub(super) fn with_token(self, token: Secret<String>) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Calls a path that needs no credentials.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let sent = self.agent.get(format!("{}{path}", self.url)).call();
        self.read(sent)
    }

    /// Calls one of OpenIM's endpoints, and returns `data` of its answer.
    pub(super) fn openim(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut request =
            self.agent.post(format!("{}{path}", self.url)).header("operationID", "rollcall-cli");
        if let Some(token) = &self.token {
            request = request.header("token", token.expose());
        }
        let answer = self.read(request.send_json(body))?;
        let code = answer.body.get("errCode").and_then(Value::as_i64);
        if code == Some(0) {
            return Ok(answer.body.get("data").cloned().unwrap_or(Value::Null));
        }
        let said = ["errDlt", "errMsg"].into_iter().find_map(|name| text(&answer.body, name));
        let of_the_token = code.is_some_and(|code| TOKEN_CODES.contains(&code) || code == NO_PERMISSION);
        let code = code.map(|code| code.to_string());
        self.refused(&answer, code.as_deref(), said, of_the_token.then_some(ADMIN_HINT))
    }

    /// Reads from the message center, and returns `data` of its answer.
    pub(super) fn console(&self, path: &str, tenant: Option<i64>) -> anyhow::Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.url));
        self.unwrap_envelope(self.read(self.with_headers(request, tenant).call())?)
    }

    /// Asks an administrative route, which answers without an envelope.
    pub(super) fn admin(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.with_headers(self.agent.post(format!("{}{path}", self.url)), None);
        self.bare(self.read(request.send_json(body))?)
    }

    /// Reads from an administrative route, which answers without an envelope.
    pub(super) fn admin_get(&self, path: &str, tenant: Option<i64>) -> anyhow::Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.url));
        self.bare(self.read(self.with_headers(request, tenant).call())?)
    }

    /// Sends an order to the message center.
    pub(super) fn order(&self, path: &str, tenant: i64, body: &Value) -> anyhow::Result<()> {
        let request = self.agent.post(format!("{}{path}", self.url));
        self.unwrap_envelope(self.read(self.with_headers(request, Some(tenant)).send_json(body))?)?;
        Ok(())
    }

    /// Posts lines to an administrative route, which answers without an envelope.
    pub(super) fn post_lines(&self, path: &str, lines: &[u8]) -> anyhow::Result<Value> {
        let request = self.with_headers(self.agent.post(format!("{}{path}", self.url)), None);
        self.bare(self.read(request.content_type("application/x-ndjson").send(lines))?)
    }

    /// Asks an administrative route that answers with lines.
    pub(super) fn lines(&self, path: &str, body: &Value) -> anyhow::Result<Vec<u8>> {
        let request = self.with_headers(self.agent.post(format!("{}{path}", self.url)), None);
        match self.read_bytes(request.send_json(body))? {
            (200, lines) => Ok(lines),
            (status, bytes) => {
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                self.unwrap_envelope(Answer { status, body })?;
                bail!("{} answered {status} where lines were expected", self.url)
            }
        }
    }

    fn bare(&self, answer: Answer) -> anyhow::Result<Value> {
        if matches!(answer.status, 200 | 202) { Ok(answer.body) } else { self.unwrap_envelope(answer) }
    }

    fn with_headers<B>(
        &self,
        mut request: ureq::RequestBuilder<B>,
        tenant: Option<i64>,
    ) -> ureq::RequestBuilder<B> {
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        if let Some(tenant) = tenant {
            // Named even when it is the token's own: without the header, an order for another tenant would go to the
            // token's own one in silence.
            request = request.header("xc-opt-tenant-id", tenant.to_string());
        }
        request
    }

    fn unwrap_envelope(&self, mut answer: Answer) -> anyhow::Result<Value> {
        let success = answer.status == 204 || text(&answer.body, "code") == Some(SUCCESS);
        if success {
            return Ok(answer.body.get_mut("data").map(Value::take).unwrap_or(Value::Null));
        }
        let key = answer.body.pointer("/ext/eKey").and_then(Value::as_str);
        let hint = match (answer.status, key) {
            (403, Some(FOREIGN_TENANT)) => Some(TENANT_HINT),
            (401 | 403, _) => Some(CONSOLE_HINT),
            _ => None,
        };
        self.refused(&answer, key, text(&answer.body, "msg"), hint)
    }

    fn refused<T>(
        &self,
        answer: &Answer,
        code: Option<&str>,
        said: Option<&str>,
        token_hint: Option<&str>,
    ) -> anyhow::Result<T> {
        let url = &self.url;
        let Some(code) = code else {
            bail!("{url} answered {} in a form that no rollcall has; is that its address?", answer.status);
        };
        let said = sanitize(said.unwrap_or_default(), self.secret());
        if let Some(hint) = token_hint.filter(|_| self.token.is_some()) {
            bail!(CliError::Token(format!("{url} refused the token: {code}, {said}. {hint}")));
        }
        match answer.status {
            400 => bail!(CliError::Usage(format!("{url} refused the question: {code}, {said}"))),
            500.. => bail!("{url} could not do it: {code}, {said}; repeating it is safe"),
            _ => bail!("{url} refused: {code}, {said}"),
        }
    }

    fn read(&self, sent: Result<http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Answer> {
        let (status, bytes) = self.read_bytes(sent)?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    fn read_bytes(
        &self,
        sent: Result<http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let url = &self.url;
        let mut response = sent.with_context(|| {
            format!(
                "no answer from {url}; does a server run there (rollcall serve), and is {URL_VARIABLE} right?"
            )
        })?;
        let status = response.status().as_u16();
        if response.status().is_redirection() {
            let to =
                response.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            bail!(
                "{url} points to {}; if that is the server, name it in {URL_VARIABLE}",
                sanitize(to, self.secret())
            );
        }
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        Ok((status, bytes.with_context(|| format!("the answer of {url} broke off"))?))
    }

    fn secret(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.expose().as_str())
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// A member of an object that is a text and not empty.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn authorities(file: &Path) -> anyhow::Result<RootCerts> {
    let unread = || format!("cannot read the authorities {}", file.display());
    let pem = fs::read(file).with_context(unread)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.with_context(unread)? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        bail!(CliError::Usage(format!("{} holds no certificate", file.display())));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
