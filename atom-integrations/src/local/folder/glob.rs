//! Matches paths with wildcards.

/// Whether a path, with `/` between its folders, fits a pattern.
///
/// `?` stands for one character and `*` for any number of them within a name, `**` for any number of folders.
/// A pattern without `/` is compared with the file's name only.
pub(super) fn is_match(pattern: &str, path: &str) -> bool {
    if !pattern.contains('/') {
        return is_name_match(pattern, path.rsplit('/').next().unwrap_or(path));
    }
    let pattern: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    is_wildcard_match(
        &pattern,
        &path,
        |part| *part == "**",
        |part, name| is_name_match(part, name),
    )
}

fn is_name_match(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    is_wildcard_match(
        &pattern,
        &name,
        |c| *c == '*',
        |wanted, c| *wanted == '?' || wanted == c,
    )
}

/// Compares item by item. After a mismatch only the last star needs to take one item more, so that the time is
/// at most the product of the lengths.
fn is_wildcard_match<P, T>(
    pattern: &[P],
    items: &[T],
    is_star: impl Fn(&P) -> bool,
    is_equal: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut item, mut star) = (0, 0, None);
    while item < items.len() {
        match pattern.get(at) {
            Some(part) if is_star(part) => {
                star = Some((at, item));
                at += 1;
            }
            Some(part) if is_equal(part, &items[item]) => {
                at += 1;
                item += 1;
            }
            _ => {
                let Some((star_at, star_item)) = star else {
                    return false;
                };
                star = Some((star_at, star_item + 1));
                at = star_at + 1;
                item = star_item + 1;
            }
        }
    }
    pattern[at..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_documented() {
        let cases = [
            ("*.md", "notes/a.md", true),
            ("*.md", "a.txt", false),
            ("2026-??-*.md", "daily/2026-03-09.md", true),
            ("daily/*.md", "daily/a.md", true),
            ("daily/*.md", "daily/x/a.md", false),
            ("**/a.md", "a.md", true),
            ("**/a.md", "x/y/a.md", true),
            ("x/**/a.md", "x/a.md", true),
            ("x/**", "x/y/z", true),
            ("x/**", "y/x/z", false),
            ("*", "", true),
            ("ä?", "äö", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(is_match(pattern, path), expected, "{pattern} {path}");
        }
        assert!(!is_match(&"*a".repeat(200), &"a".repeat(199)));
    }
}
