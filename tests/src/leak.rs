//! A search for tokens and secrets in logs and files.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result};

/// Signatures are searched for by this many characters: all of an HS256 one, the beginning of others.
const SIGNATURE: usize = 43;

/// Texts that must not be found.
#[derive(Clone, Debug, Default)]
pub struct Forbidden {
    texts: BTreeSet<String>,
    signatures: HashSet<Vec<u8>>,
    tokens: usize,
}

impl Forbidden {
    /// Adds a token. It is found by its signature, so that a log that cuts tokens short at the front is
    /// caught as well; one without a signature is found by its full text.
    pub fn token(&mut self, token: &str) {
        let signature = token.split('.').nth(2).unwrap_or_default().as_bytes();
        let new = match signature.get(..SIGNATURE) {
            Some(beginning) => self.signatures.insert(beginning.to_vec()),
            None => self.texts.insert(token.to_owned()),
        };
        self.tokens += usize::from(new);
    }

    /// Adds any other secret text.
    pub fn text(&mut self, text: &str) {
        self.texts.insert(text.to_owned());
    }

    /// The number of different tokens.
    pub fn token_count(&self) -> usize {
        self.tokens
    }

    /// The number of other texts, unsigned tokens included.
    pub fn text_count(&self) -> usize {
        self.texts.len()
    }

    /// The lines of a file that contain something forbidden, at most ten, with their numbers.
    pub fn search(&self, path: &Path) -> Result<Hits> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let matcher = self.matcher();
        let mut hits = Hits::default();
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(hits);
            }
            hits.lines += 1;
            if matcher.matches(&line) {
                hits.count += 1;
                if hits.samples.len() < 10 {
                    hits.samples.push(format!("line {}: {}", hits.lines, excerpt(&line)));
                }
            }
        }
    }

    /// Whether the bytes contain something forbidden.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.matcher().matches(bytes)
    }

    fn matcher(&self) -> Matcher<'_> {
        let mut texts: HashMap<[u8; 2], Vec<&[u8]>> = HashMap::new();
        let mut starts = vec![false; 1 << 16];
        for text in &self.texts {
            if let Some(start) = text.as_bytes().first_chunk::<2>() {
                texts.entry(*start).or_default().push(text.as_bytes());
                starts.get_mut(usize::from(u16::from_be_bytes(*start))).into_iter().for_each(|s| *s = true);
            }
        }
        Matcher { starts, texts, signatures: &self.signatures }
    }
}

/// Looks at every byte once: a log at trace level has tens of megabytes.
struct Matcher<'a> {
    starts: Vec<bool>,
    texts: HashMap<[u8; 2], Vec<&'a [u8]>>,
    signatures: &'a HashSet<Vec<u8>>,
}

impl Matcher<'_> {
    fn matches(&self, bytes: &[u8]) -> bool {
        let mut run = 0;
        let mut before = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                run += 1;
                // A signature begins where a run of such characters begins, or ends where it ends: it
                // stands behind a dot, plain or escaped.
                if run == SIGNATURE && self.signature_before(bytes, index + 1) {
                    return true;
                }
            } else {
                if run > SIGNATURE && self.signature_before(bytes, index) {
                    return true;
                }
                run = 0;
            }
            let pair = [before, byte];
            before = byte;
            let known = self.starts.get(usize::from(u16::from_be_bytes(pair))).is_some_and(|known| *known);
            if known && index > 0 {
                let rest = bytes.get(index - 1..).unwrap_or_default();
                if self.texts.get(&pair).is_some_and(|all| all.iter().any(|text| rest.starts_with(text))) {
                    return true;
                }
            }
        }
        run > SIGNATURE && self.signature_before(bytes, bytes.len())
    }

    fn signature_before(&self, bytes: &[u8], end: usize) -> bool {
        let start = end.saturating_sub(SIGNATURE);
        bytes.get(start..end).is_some_and(|window| self.signatures.contains(window))
    }
}

/// The result of a search.
#[derive(Debug, Default)]
pub struct Hits {
    /// Lines read.
    pub lines: usize,
    /// Lines with a hit.
    pub count: usize,
    /// The first of them, cut.
    pub samples: Vec<String>,
}

fn excerpt(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::vectors;

    fn forbidden() -> (Forbidden, String) {
        let token = vectors::load().unwrap().token("J2").unwrap();
        let mut forbidden = Forbidden::default();
        forbidden.token(&token);
        forbidden.token(&token);
        forbidden.text("openIM123");
        (forbidden, token)
    }

    #[test]
    fn a_token_is_found_in_the_middle_of_a_line_and_by_its_signature_alone() {
        let (forbidden, token) = forbidden();
        let signature = token.rsplit('.').next().unwrap();
        assert_eq!(forbidden.token_count(), 1);
        assert!(forbidden.matches(format!("GET /?token={token}&x=1").as_bytes()));
        for text in [signature.to_owned(), format!("{signature}bb"), format!("%2E{signature}&x")] {
            assert!(forbidden.matches(text.as_bytes()), "{text}");
        }
        for text in ["secret: openIM123", "openIM123", "oopenIM123", "openIM12openIM123\n"] {
            assert!(forbidden.matches(text.as_bytes()), "{text}");
        }
        assert!(!forbidden.matches(b"openIM12 openIM1 3"));
        assert!(!forbidden.matches(b"token=<redacted> secret=<redacted>"));
        assert!(!forbidden.matches(&signature.as_bytes()[..42]));
    }

    #[test]
    fn an_unsigned_token_is_found_by_its_text() {
        let mut forbidden = Forbidden::default();
        forbidden.token("eyJhbGciOiJub25lIn0.eyJVc2VySUQiOiJ1In0.");
        assert!(forbidden.matches(b"x eyJhbGciOiJub25lIn0.eyJVc2VySUQiOiJ1In0. y"));
    }

    #[test]
    fn a_file_is_searched_line_by_line() {
        let (forbidden, token) = forbidden();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "one\ntwo {token}\nthree\n").unwrap();
        let hits = forbidden.search(file.path()).unwrap();
        assert_eq!((hits.lines, hits.count), (3, 1));
        assert!(hits.samples[0].starts_with("line 2:"));
    }
}
