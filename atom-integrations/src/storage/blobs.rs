//! Large texts, kept once for each owner however many rows have them.
//!
//! What the engine stores is JSON, in which the same large value comes again and again in different surroundings: the
//! input of a run, the answers of its steps, events. So from a text of more than [`LARGEST_INLINE`] bytes its large values
//! are cut out, the innermost first, each until what is left of the value around it is small. A row keeps what is left of
//! its text, and in a column of its own where which blob belongs: nothing in a text can be taken for a reference. A text
//! is put together again byte for byte, whether it is JSON or not.

use std::borrow::Cow;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::rows::{Decoded, decode_error, value};

/// The most bytes of a text that stand in its row.
const LARGEST_INLINE: usize = 64 * 1024;

/// How deep a text is looked into. What is nested deeper is a part of what is around it.
const DEEPEST: usize = 128;

/// What is left of a text, and its parts.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) text: String,
    /// Where which blob belongs: `[[byte, hash], …]`.
    pub(super) parts: Option<String>,
}

/// A value that was cut out of a text.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) hash: String,
    pub(super) cut: Cut,
}

/// Cuts a text. The blobs that it needs are added to those to store with it.
pub(super) fn cut(text: String, blobs: &mut Vec<Blob>) -> Cut {
    if text.len() <= LARGEST_INLINE {
        return Cut { text, parts: None };
    }
    Cutter { text: &text, blobs }.cut()
}

/// A part of a text that became a blob.
struct Hole {
    start: usize,
    end: usize,
    hash: String,
}

/// An object, array or text that is being read; the whole text first.
struct Open {
    start: usize,
    holes: Vec<Hole>,
}

impl Open {
    fn new(start: usize) -> Self {
        let holes = Vec::new();
        Self { start, holes }
    }

    /// How many bytes up to `end` are left.
    fn left(&self, end: usize) -> usize {
        let cut: usize = self.holes.iter().map(|hole| hole.end - hole.start).sum();
        end - self.start - cut
    }
}

struct Cutter<'a> {
    text: &'a str,
    blobs: &'a mut Vec<Blob>,
}

impl Cutter<'_> {
    /// Cuts the whole text.
    fn cut(&mut self) -> Cut {
        let bytes = self.text.as_bytes();
        let mut open = vec![Open::new(0)];
        // How many objects and arrays are open that are too deep to be looked at.
        let mut deeper = 0_usize;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = end_of_text(self.text, at);
                    self.close(&mut open, Open::new(at), end);
                    at = end;
                    continue;
                }
                b'{' | b'[' if open.len() > DEEPEST => deeper += 1,
                b'{' | b'[' => open.push(Open::new(at)),
                b'}' | b']' if deeper > 0 => deeper -= 1,
                b'}' | b']' if open.len() > 1 => {
                    if let Some(closed) = open.pop() {
                        self.close(&mut open, closed, at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        // What was never closed is no JSON; it belongs to the whole.
        let mut whole = Open::new(0);
        whole.holes = open.into_iter().flat_map(|open| open.holes).collect();
        if whole.left(bytes.len()) > LARGEST_INLINE {
            let hash = self.keep(&whole, bytes.len());
            whole.holes = vec![Hole {
                start: 0,
                end: bytes.len(),
                hash,
            }];
        }
        self.remainder(&whole, bytes.len())
    }

    /// Takes in the end of a value: when much of it is left it becomes a blob.
    fn close(&mut self, open: &mut [Open], closed: Open, end: usize) {
        let holes = if closed.left(end) > LARGEST_INLINE {
            let hash = self.keep(&closed, end);
            let start = closed.start;
            vec![Hole { start, end, hash }]
        } else {
            closed.holes
        };
        if let Some(around) = open.last_mut() {
            around.holes.extend(holes);
        }
    }

    /// Makes a blob of a value, and gives its hash.
    fn keep(&mut self, value: &Open, end: usize) -> String {
        let cut = self.remainder(value, end);
        let mut digest = Sha256::new();
        // No parts begin with a NUL, so what is hashed tells where they end.
        digest.update(cut.parts.as_deref().unwrap_or_default());
        digest.update([0]);
        digest.update(&cut.text);
        let hash: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.blobs.push(Blob {
            hash: hash.clone(),
            cut,
        });
        hash
    }

    /// What is left of a value, and its parts.
    fn remainder(&self, value: &Open, end: usize) -> Cut {
        let mut text = String::with_capacity(value.left(end));
        let mut parts = Vec::new();
        let mut from = value.start;
        for hole in &value.holes {
            text.push_str(&self.text[from..hole.start]);
            parts.push(format!("[{},\"{}\"]", text.len(), hole.hash));
            from = hole.end;
        }
        text.push_str(&self.text[from..end]);
        let parts = (!parts.is_empty()).then(|| format!("[{}]", parts.join(",")));
        Cut { text, parts }
    }
}

/// Where the JSON text that begins at a place ends.
fn end_of_text(text: &str, start: usize) -> usize {
    let mut from = start + 1;
    while let Some(found) = text[from..].find('"') {
        let quote = from + found;
        let escapes = text.as_bytes()[from..quote]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\');
        from = quote + 1;
        if escapes.count() % 2 == 0 {
            return from;
        }
    }
    text.len()
}

/// The blobs that rows need to be put together again, by hash.
#[derive(Debug, Default)]
pub(super) struct Blobs(HashMap<String, Stored>);

#[derive(Debug)]
struct Stored {
    parts: Vec<(usize, String)>,
    text: String,
}

impl Blobs {
    /// A text as it was before it was cut.
    pub(super) fn join<'t>(&self, text: &'t str, parts: Option<&str>) -> Decoded<Cow<'t, str>> {
        let Some(parts) = parts else {
            return Ok(Cow::Borrowed(text));
        };
        let mut whole = String::new();
        self.append(&mut whole, text, &value::<Vec<(usize, String)>>(parts)?)?;
        Ok(Cow::Owned(whole))
    }

    /// Takes in a blob; gives the hashes of those that it needs itself.
    pub(super) fn insert(&mut self, hash: String, parts: Option<&str>, text: String) -> Decoded<Vec<String>> {
        let parts: Vec<(usize, String)> = parts.map(value).transpose()?.unwrap_or_default();
        let needed = parts.iter().map(|(_, hash)| hash.clone()).collect();
        self.0.insert(hash, Stored { parts, text });
        Ok(needed)
    }

    /// Those of these that are not there, each once.
    pub(super) fn missing(&self, mut wanted: Vec<String>) -> Vec<String> {
        wanted.retain(|hash| !self.0.contains_key(hash));
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// The depth is bounded by that of cutting.
    fn append(&self, whole: &mut String, text: &str, parts: &[(usize, String)]) -> Decoded<()> {
        let mut from = 0;
        for (at, hash) in parts {
            let blob = self.0.get(hash).ok_or_else(damaged)?;
            whole.push_str(text.get(from..*at).ok_or_else(damaged)?);
            self.append(whole, &blob.text, &blob.parts)?;
            from = *at;
        }
        whole.push_str(text.get(from..).ok_or_else(damaged)?);
        Ok(())
    }
}

/// The hashes that the parts of a text name.
pub(super) fn hashes(parts: &str) -> Decoded<impl Iterator<Item = String> + use<>> {
    let parts: Vec<(usize, String)> = value(parts)?;
    Ok(parts.into_iter().map(|(_, hash)| hash))
}

/// The error for a blob that is not there.
pub(super) fn damaged() -> sqlx::Error {
    decode_error(std::io::Error::other("a part of a large text is missing"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Cuts a text; gives what is left, its parts and the blobs by their hash.
    fn taken_apart(text: &str) -> (String, Option<String>, Blobs) {
        let mut rows = Vec::new();
        let Cut { text, parts } = cut(text.to_owned(), &mut rows);
        let mut blobs = Blobs::default();
        for Blob { hash, cut } in rows {
            blobs.insert(hash, cut.parts.as_deref(), cut.text).unwrap();
        }
        (text, parts, blobs)
    }

    #[test]
    fn a_small_text_stays_as_it_is() {
        for text in ["", "{}", &"x".repeat(LARGEST_INLINE)] {
            let (rest, parts, blobs) = taken_apart(text);
            assert!(rest == text && parts.is_none() && blobs.0.is_empty());
        }
    }

    #[test]
    fn a_large_value_is_one_blob_in_whatever_it_stands() {
        let large = json!({ "list": vec!["some text"; 20_000], "other": 1 });
        let whole = taken_apart(&large.to_string());
        assert_eq!((whole.0.len() < 100, whole.2.0.len()), (true, 1));
        for around in [
            json!({ "type": "completed", "action": 7, "output": large }),
            json!([[[large]], large, 3]),
        ] {
            let (rest, parts, blobs) = taken_apart(&around.to_string());
            assert!(rest.len() < 200, "{rest}");
            assert!(parts.is_some());
            assert!(blobs.0.keys().eq(whole.2.0.keys()), "equal content is one blob");
        }
    }

    #[test]
    fn what_changes_beside_a_large_value_writes_only_that() {
        let state = |step: usize, notes: &str| {
            json!({ "document": "d".repeat(500_000), "notes": notes, "step": step }).to_string()
        };
        let first = taken_apart(&state(1, "")).2;
        let second = taken_apart(&state(2, &"n".repeat(100_000))).2;
        assert_eq!((first.0.len(), second.0.len()), (1, 2));
        assert!(first.0.keys().all(|hash| second.0.contains_key(hash)));
    }

    #[test]
    fn large_values_side_by_side_are_blobs_of_their_own() {
        let many = Value::Array((0..40).map(|n| json!(n.to_string().repeat(70_000))).collect());
        let (rest, _, blobs) = taken_apart(&json!({ "many": many }).to_string());
        assert!(rest.len() <= LARGEST_INLINE);
        assert!(blobs.0.values().all(|blob| blob.text.len() <= 140_002));
    }

    fn large() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(|number| json!(number)),
            ("\\PC{0,8}|[\\\\\"\\[{}]{0,8}", 1_usize..20_000)
                .prop_map(|(text, times)| json!(text.repeat(times))),
        ];
        leaf.prop_recursive(5, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,5}|[\\\\\"]{0,3}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_cut_is_put_together_again(value in large(), from in 0.0..1.0_f64, pad in 0_usize..100_000) {
            let text = json!([value, " ".repeat(pad)]).to_string();
            // The end of a JSON text is no JSON, which makes no difference.
            let mut start = (text.len() as f64 * from) as usize;
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            for text in [&text, &text[start..]] {
                let (rest, parts, blobs) = taken_apart(text);
                prop_assert!(rest.len() <= LARGEST_INLINE);
                prop_assert!(blobs.join(&rest, parts.as_deref()).unwrap() == *text);
            }
        }
    }
}
