//! The OpenIM envelope around every answer.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::{
    check::{holds, same, shorten},
    http::Response,
    settings::Style,
};

/// The documented name of an error code, as `errMsg` carries it.
pub fn name_of(code: i64) -> Option<&'static str> {
    Some(match code {
        500 => "ServerInternalError",
        1001 => "ArgsError",
        1002 => "NoPermissionError",
        1004 => "RecordNotFoundError",
        1102 => "RegisteredAlreadyError",
        1501 => "TokenExpiredError",
        1502 => "TokenInvalidError",
        1503 => "TokenMalformedError",
        1504 => "TokenNotValidYetError",
        1505 => "TokenUnknownError",
        1506 => "TokenKickedError",
        1507 => "TokenNotExistError",
        1601 => "ConnOverMaxNumLimit",
        1602 => "args err, need token, sendID, platformID",
        _ => return None,
    })
}

/// An envelope whose shape was checked: the three fields, and `data` only on success.
#[derive(Clone, Debug)]
pub struct Envelope {
    text: String,
    code: i64,
    message: String,
    detail: String,
    data: Option<Value>,
    style: Style,
}

impl Envelope {
    /// Parses and checks the shape that all answers share.
    pub fn parse(text: &str, style: Style) -> Result<Self> {
        let value: Value =
            serde_json::from_str(text).with_context(|| format!("not JSON: {}", shorten(text)))?;
        let fields = value.as_object().with_context(|| format!("not an object: {}", shorten(text)))?;
        for name in fields.keys() {
            holds(["errCode", "errMsg", "errDlt", "data"].contains(&name.as_str()), || {
                format!("the envelope has a field {name}: {}", shorten(text))
            })?;
        }
        let envelope = Self {
            text: text.to_owned(),
            code: fields.get("errCode").and_then(Value::as_i64).context("errCode is not an integer")?,
            message: text_field(fields, "errMsg")?,
            detail: text_field(fields, "errDlt")?,
            data: fields.get("data").cloned(),
            style,
        };
        if envelope.code != 0 && envelope.data.is_some() {
            bail!("an error carries data: {}", shorten(text));
        }
        Ok(envelope)
    }

    /// The text as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `errCode`.
    pub fn code(&self) -> i64 {
        self.code
    }

    /// Success with a payload; the payload.
    pub fn data(&self) -> Result<&Value> {
        self.success()?;
        self.data.as_ref().with_context(|| format!("success without data: {}", shorten(&self.text)))
    }

    /// Success without a payload: the field is absent, not null.
    pub fn empty(&self) -> Result<()> {
        self.success()?;
        holds(self.data.is_none(), || format!("unexpected data: {}", shorten(&self.text)))
    }

    /// The detail of a refusal with this code; name and `errDlt` form are checked on the way.
    pub fn refusal(&self, code: i64) -> Result<&str> {
        if self.code != code {
            bail!("expected error {code}, got {}", shorten(&self.text));
        }
        let name = name_of(code).with_context(|| format!("no name is documented for {code}"))?;
        same(self.message.as_str(), name, "errMsg")?;
        match self.style {
            Style::V38 => Ok(&self.detail),
            Style::Seed => {
                let suffix = format!(": [{code}]{name}");
                let detail = self.detail.strip_suffix(&suffix);
                detail.with_context(|| format!("errDlt {:?} does not end with {suffix:?}", self.detail))
            }
        }
    }

    /// A refusal with exactly this code and detail.
    pub fn refused(&self, code: i64, detail: &str) -> Result<()> {
        same(self.refusal(code)?, detail, "the detail of errDlt")
    }

    /// A refusal with one of these codes, whatever its detail.
    pub fn refused_with_one_of(&self, codes: &[i64]) -> Result<()> {
        holds(codes.contains(&self.code), || {
            format!("expected one of {codes:?}, got {}", shorten(&self.text))
        })?;
        self.refusal(self.code).map(drop)
    }

    fn success(&self) -> Result<()> {
        if self.code != 0 || !self.message.is_empty() || !self.detail.is_empty() {
            bail!("expected success, got {}", shorten(&self.text));
        }
        Ok(())
    }
}

fn text_field(fields: &Map<String, Value>, name: &str) -> Result<String> {
    fields.get(name).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("{name} is not text"))
}

/// An HTTP answer with an envelope in its body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response.
    pub response: Response,
    style: Style,
}

impl Answer {
    /// Wraps a response; `style` is the configured form of `errDlt`.
    pub fn new(response: Response, style: Style) -> Self {
        Self { response, style }
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.response.body).context("the body is not UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        let text = self.text()?;
        serde_json::from_str(text).with_context(|| format!("the body is not JSON: {}", shorten(text)))
    }

    /// The envelope of an answer with this HTTP status and a JSON content type.
    pub fn envelope_with(&self, status: u16) -> Result<Envelope> {
        if self.response.status != status {
            let text = String::from_utf8_lossy(&self.response.body);
            bail!("expected HTTP {status}, got {} with {:?}", self.response.status, shorten(&text));
        }
        let kind = self.response.header("content-type").unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        same(essence, "application/json", "content-type")?;
        Envelope::parse(self.text()?, self.style)
    }

    /// The envelope: business answers have HTTP status 200, failures included.
    pub fn envelope(&self) -> Result<Envelope> {
        self.envelope_with(200)
    }

    /// `errCode`.
    pub fn code(&self) -> Result<i64> {
        Ok(self.envelope()?.code())
    }

    /// Success with a payload; the payload.
    pub fn data(&self) -> Result<Value> {
        self.envelope()?.data().cloned()
    }

    /// Success without a payload.
    pub fn empty(&self) -> Result<()> {
        self.envelope()?.empty()
    }

    /// A refusal with exactly this code and detail.
    pub fn refused(&self, code: i64, detail: &str) -> Result<()> {
        self.envelope()?.refused(code, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_failure_is_read() {
        let text =
            r#"{"errCode":1004,"errMsg":"RecordNotFoundError","errDlt":": [1004]RecordNotFoundError"}"#;
        assert_eq!(Envelope::parse(text, Style::Seed).unwrap().refusal(1004).unwrap(), "");
    }

    #[test]
    fn a_wrong_name_a_wrong_form_and_a_wrong_code_are_told() {
        let parse = |text: &str| Envelope::parse(text, Style::Seed).unwrap();
        assert!(
            parse(r#"{"errCode":1001,"errMsg":"Args","errDlt":": [1001]ArgsError"}"#).refusal(1001).is_err()
        );
        assert!(parse(r#"{"errCode":1001,"errMsg":"ArgsError","errDlt":""}"#).refusal(1001).is_err());
        assert!(parse(r#"{"errCode":0,"errMsg":"","errDlt":""}"#).refusal(1001).is_err());
        let v38 =
            Envelope::parse(r#"{"errCode":1001,"errMsg":"ArgsError","errDlt":"x"}"#, Style::V38).unwrap();
        assert_eq!(v38.refusal(1001).unwrap(), "x");
    }

    #[test]
    fn errors_with_data_and_unknown_fields_are_refused() {
        let with_data = r#"{"errCode":1001,"errMsg":"ArgsError","errDlt":"","data":null}"#;
        assert!(Envelope::parse(with_data, Style::V38).is_err());
        let extra = r#"{"errCode":0,"errMsg":"","errDlt":"","stack":"x"}"#;
        assert!(Envelope::parse(extra, Style::Seed).is_err());
    }

    #[test]
    fn success_with_and_without_data_differ() {
        let plain = Envelope::parse(r#"{"errCode":0,"errMsg":"","errDlt":""}"#, Style::Seed).unwrap();
        assert!(plain.empty().is_ok() && plain.data().is_err());
        let null =
            Envelope::parse(r#"{"errCode":0,"errMsg":"","errDlt":"","data":null}"#, Style::Seed).unwrap();
        assert!(null.empty().is_err());
    }
}
