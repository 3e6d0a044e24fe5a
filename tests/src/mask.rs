//! Masks for the parts of a transcript that may differ between two subjects that answer alike.
//!
//! The list is closed: tokens, their hashes, packed handshake parameters, connection ids, record ids, UUIDs, dates, unix times of this
//! era in seconds or milliseconds, the loopback address with its port, and whether a server beats in STOMP. The first six keep their
//! identity: the same value becomes the same placeholder within a case, so that a mixed-up token still shows.

use std::collections::HashMap;

/// Placeholders given out within one case.
#[derive(Debug, Default)]
pub struct Masks {
    given: HashMap<String, String>,
    counts: HashMap<&'static str, usize>,
}

impl Masks {
    /// The text with everything on the list replaced.
    pub fn apply(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            let (before, from) = rest.split_at(start);
            out.push_str(before);
            let (piece, length) = self.piece(from);
            out.push_str(&piece);
            rest = from.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }

    /// The replacement for the beginning of `from`, and the number of bytes that it replaces.
    fn piece(&mut self, from: &str) -> (String, usize) {
        if let Some(length) = token_length(from) {
            let token = from.get(..length).unwrap_or_default();
            return (self.placeholder("token", token), length);
        }
        if let Some(length) = date_length(from) {
            return ("<date>".to_owned(), length);
        }
        if let Some(length) = address_length(from) {
            return ("<addr>".to_owned(), length);
        }
        if let Some(length) = beats_length(from) {
            return ("<beats>".to_owned(), length);
        }
        let length = word_length(from);
        let word = from.get(..length).unwrap_or_default();
        let plain = word.bytes().all(|b| b.is_ascii_alphanumeric());
        if word.starts_with("eyJ") && length >= 20 {
            return (self.placeholder("packed", word), length);
        }
        if is_uuid(word) {
            return (self.placeholder("uuid", word), length);
        }
        if plain && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            match length {
                32 => return (self.placeholder("conn", word), length),
                64 => return (self.placeholder("sha256", word), length),
                _ => {}
            }
        }
        if plain && word.bytes().all(|b| b.is_ascii_digit()) {
            if matches!(length, 18 | 19) {
                return (self.placeholder("record", word), length);
            }
            let is_of_this_era = |seconds: u64| (1_700_000_000..2_200_000_000).contains(&seconds);
            let per_second = match length {
                10 => 1,
                13 => 1_000,
                _ => 0,
            };
            if word.parse().ok().and_then(|n: u64| n.checked_div(per_second)).is_some_and(is_of_this_era) {
                return ("<time>".to_owned(), length);
            }
        }
        (word.to_owned(), length)
    }

    fn placeholder(&mut self, kind: &'static str, value: &str) -> String {
        if let Some(known) = self.given.get(value) {
            return known.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("<{kind}:{count}>");
        self.given.insert(value.to_owned(), name.clone());
        name
    }
}

/// Every token-shaped piece of a text.
pub fn tokens(text: &str) -> Vec<&str> {
    text.split(|c: char| !in_token(c)).filter(|run| token_length(run).is_some()).collect()
}

/// The length of the token at the beginning: at least three parts, and header or claims are a JSON
/// object (`{"` is `eyJ` in base64). Forged tokens count: wrong parts, no signature, a part too many.
fn token_length(text: &str) -> Option<usize> {
    const SHORTEST: usize = 40;
    // Only the first two parts are looked at before the whole run is: long runs that are no token are
    // asked at each of their words.
    let (first, rest) = text.split_at_checked(word_length(text))?;
    let rest = rest.strip_prefix('.')?;
    let (second, rest) = rest.split_at_checked(word_length(rest))?;
    if !rest.starts_with('.') || !(first.starts_with("eyJ") || second.starts_with("eyJ")) {
        return None;
    }
    let length = text.find(|c: char| !in_token(c)).unwrap_or(text.len());
    (length >= SHORTEST).then_some(length)
}

fn in_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The length of the run of base64url characters at the beginning.
fn word_length(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count()
}

/// `01234567-89ab-cdef-0123-456789abcdef`.
fn is_uuid(word: &str) -> bool {
    word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && word.bytes().all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'))
}

/// `2026-01-02 03:04:05`, with `T`, a fraction and a zone if there are.
fn date_length(text: &str) -> Option<usize> {
    const FORM: &[u8] = b"0000-00-00 00:00:00";
    let bytes = text.as_bytes();
    let head = bytes.get(..FORM.len())?;
    let fits = head.iter().zip(FORM).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        b' ' => matches!(byte, b' ' | b'T'),
        other => byte == other,
    });
    if !fits {
        return None;
    }
    let mut length = FORM.len();
    if bytes.get(length) == Some(&b'.') {
        let fraction = bytes.get(length + 1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if fraction > 0 {
            length += 1 + fraction;
        }
    }
    if bytes.get(length) == Some(&b'Z') {
        length += 1;
    }
    Some(length)
}

/// `heart-beat:0,0` or `heart-beat:10000,10000`, as a header of STOMP: one subject beats and the other does not. In SockJS
/// the `n` of the line feed before it belongs to the same word.
fn beats_length(text: &str) -> Option<usize> {
    let header = text.strip_prefix('n').unwrap_or(text).strip_prefix("heart-beat:")?;
    let rest = header.strip_prefix("0,0").or_else(|| header.strip_prefix("10000,10000"))?;
    let ends = rest.starts_with(['\n', '\\']);
    ends.then_some(text.len() - rest.len())
}

/// `127.0.0.1:PORT`.
fn address_length(text: &str) -> Option<usize> {
    const HOST: &str = "127.0.0.1:";
    let digits = text.strip_prefix(HOST)?.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then_some(HOST.len() + digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    #[test]
    fn the_same_token_keeps_its_placeholder_and_another_gets_its_own() {
        let vectors = vectors::load().unwrap();
        let (a, b) = (vectors.token("J1").unwrap(), vectors.token("J2").unwrap());
        let mut masks = Masks::default();
        let masked = masks.apply(&format!(r#"["{a}","{b}","{a}"] ?token={b}&x=1"#));
        assert_eq!(masked, r#"["<token:1>","<token:2>","<token:1>"] ?token=<token:2>&x=1"#);
    }

    #[test]
    fn everything_on_the_list_is_masked() {
        let mut masks = Masks::default();
        let text = concat!(
            r#"{"connID":"bbb7c4da159b1ec6beb81c9e4129b075","id":"7123456789012345678","#,
            r#""uuid":"0190a5c2-1c3e-7d4f-8a21-5b6c7d8e9f01","exp":1771234567,"at":"2026-11-22T00:14:49.123Z","on":"2026-11-22 00:14:49","#,
            r#""ms":1771234567123,"sha256":"6999054adbc8d1e890f6fc4487a231636b2f271296bfa4af03e43c31118a1c8b","#,
            r#""url":"http://127.0.0.1:40123/"}"#
        );
        assert_eq!(
            masks.apply(text),
            r#"{"connID":"<conn:1>","id":"<record:1>","uuid":"<uuid:1>","exp":<time>,"at":"<date>","on":"<date>","ms":<time>,"sha256":"<sha256:1>","url":"http://<addr>/"}"#
        );
    }

    #[test]
    fn nothing_else_is_masked() {
        let text = concat!(
            r#"{"userIDs":["2890713225","2621568666"],"expireTimeSeconds":7776000,"exp":4102444800,"#,
            r#""op":"1646445464564","upper":"BBB7C4DA159B1EC6BEB81C9E4129B075","é":"ü 12-34","x":"%20eyJ"}"#
        );
        assert_eq!(Masks::default().apply(text), text);
    }

    #[test]
    fn a_long_run_of_dots_takes_no_longer_than_its_length() {
        let text = "a.".repeat(1_000_000);
        assert_eq!(Masks::default().apply(&text), text);
        assert!(tokens(&text).is_empty());
    }

    #[test]
    fn a_packed_parameter_is_masked_as_one() {
        let v = vectors::load().unwrap().packed.v;
        assert_eq!(Masks::default().apply(&format!("/?v={v}")), "/?v=<packed:1>");
    }

    #[test]
    fn tokens_are_found_wherever_they_stand_even_unsigned_ones() {
        let token = vectors::load().unwrap().token("J1").unwrap();
        let unsigned = "eyJhbGciOiJub25lIn0.eyJVc2VySUQiOiJ1In0.";
        let headless = "e30.eyJVc2VySUQiOiJ1In0.idS8OmGWQiS2FUQm62-EYCOsySQTj1HmkXeEUE-lqPg";
        let text = format!("?a={token}&b \"{unsigned}\" eyJ.eyJ.x {headless}\n127.0.0.1 eyJhbGciOiJub25lIn0");
        assert_eq!(tokens(&text), vec![token.as_str(), unsigned, headless]);
    }

    #[test]
    fn whether_a_server_beats_is_masked_and_what_else_it_says_of_beats_is_not() {
        let mut masks = Masks::default();
        for header in ["heart-beat:0,0\n", "heart-beat:10000,10000\n"] {
            assert_eq!(masks.apply(header), "<beats>\n");
            assert_eq!(
                masks.apply(&format!("x\\n{}\\nsession:", header.trim_end())),
                "x\\<beats>\\nsession:"
            );
        }
        for header in
            ["heart-beat:0,10000\n", "heart-beat:0,01\n", "heart-beat:1000,1000\n", "heart-beat:0,0"]
        {
            assert_eq!(masks.apply(header), header);
        }
    }
}
