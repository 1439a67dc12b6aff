//! Texts with the one character that PostgreSQL cannot store.
//!
//! A text has no U+0000 there. So U+0000 stands as U+0001 U+0001, and U+0001 as U+0001 U+0002: no two texts become one, and
//! they keep their order.

use std::borrow::Cow;

/// A text as it stands in a row.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte < 2) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
}

/// The text that stands in a row.
pub(super) fn original(stored: &str) -> Cow<'_, str> {
    if !stored.bytes().any(|byte| byte == 1) {
        return Cow::Borrowed(stored);
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\u{1}' if characters.next() == Some('\u{1}') => '\0',
            other => other,
        });
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_stored_comes_back_and_keeps_its_order(left in "[\u{0}-\u{3}ab]{0,6}", right in "[\u{0}-\u{3}ab]{0,6}") {
            let text = stored(&left);
            prop_assert!(!text.contains('\0'));
            prop_assert_eq!(original(&text), left.as_str());
            prop_assert_eq!(stored(&left).cmp(&stored(&right)), left.cmp(&right));
        }
    }
}
