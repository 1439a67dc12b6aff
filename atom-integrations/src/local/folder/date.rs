//! Finds the mention of a day in a line of text.

use jiff::civil::Date;

/// The names of the months in English and German, and their English abbreviations.
const MONTHS: [&[&str]; 12] = [
    &["january", "jan", "januar", "jänner"],
    &["february", "feb", "februar"],
    &["march", "mar", "märz", "maerz"],
    &["april", "apr"],
    &["may", "mai"],
    &["june", "jun", "juni"],
    &["july", "jul", "juli"],
    &["august", "aug"],
    &["september", "sep", "sept"],
    &["october", "oct", "oktober"],
    &["november", "nov"],
    &["december", "dec", "dezember"],
];

/// Whether a line in lower case mentions the day.
///
/// Understood are `2026-03-09`, `2026/03/09`, `09.03.2026`, `9.3.26`, `9 March 2026`, `9th of March`, `9. März`,
/// `March 9`, `Mar 9th, 2026`. A day and month without a year count for every year. Numbers with slashes that
/// start with the day or month are not understood: nobody can tell which it is.
pub(super) fn is_mentioned(line: &str, date: Date) -> bool {
    let words = words(line);
    (0..words.len()).any(|at| {
        let words = &words[at..];
        is_year_first(words, date)
            || is_dotted(words, date)
            || is_day_first(words, date)
            || is_month_first(words, date)
    })
}

/// A run of digits or of letters, and what stands between it and the next.
struct Word<'a> {
    text: &'a str,
    gap: &'a str,
}

impl Word<'_> {
    fn is_number(&self, value: i32, digits: std::ops::RangeInclusive<usize>) -> bool {
        digits.contains(&self.text.len()) && self.text.parse() == Ok(value)
    }

    fn is_day(&self, date: Date) -> bool {
        self.is_number(date.day().into(), 1..=2)
    }

    fn is_month(&self, date: Date) -> bool {
        usize::try_from(date.month() - 1).is_ok_and(|month| MONTHS[month].contains(&self.text))
    }

    fn is_digits(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }
}

fn words(line: &str) -> Vec<Word<'_>> {
    let kind = |c: char| {
        if c.is_ascii_digit() {
            1
        } else {
            i32::from(c.is_alphabetic()) * 2
        }
    };
    let mut bounds = Vec::new();
    let mut previous = 0;
    for (at, c) in line.char_indices() {
        if kind(c) != previous {
            if previous != 0 {
                bounds.push(at);
            }
            if kind(c) != 0 {
                bounds.push(at);
            }
            previous = kind(c);
        }
    }
    if previous != 0 {
        bounds.push(line.len());
    }
    let spans: Vec<(usize, usize)> = bounds.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let next_starts = spans.iter().skip(1).map(|(start, _)| *start).chain([line.len()]);
    spans
        .iter()
        .zip(next_starts)
        .map(|(&(start, end), next)| Word {
            text: &line[start..end],
            gap: &line[end..next],
        })
        .collect()
}

/// `2026-03-09`, also as the beginning of a date and time.
fn is_year_first(words: &[Word<'_>], date: Date) -> bool {
    let [year, month, day, ..] = words else {
        return false;
    };
    year.is_number(date.year().into(), 4..=4)
        && month.is_number(date.month().into(), 1..=2)
        && day.is_day(date)
        && matches!(year.gap, "-" | "/" | ".")
        && year.gap == month.gap
}

/// `09.03.2026`.
fn is_dotted(words: &[Word<'_>], date: Date) -> bool {
    let [day, month, year, ..] = words else {
        return false;
    };
    day.is_day(date)
        && month.is_number(date.month().into(), 1..=2)
        && (year.is_number(date.year().into(), 4..=4) || year.is_number(i32::from(date.year()) % 100, 2..=2))
        && [day.gap, month.gap].iter().all(|gap| gap.trim_end() == ".")
}

/// `9 March`, `9th of March 2026`, `9. März`.
fn is_day_first(words: &[Word<'_>], date: Date) -> bool {
    let Some(rest) = after_day(words, date) else {
        return false;
    };
    let rest = match rest {
        [of, rest @ ..] if of.text == "of" => rest,
        rest => rest,
    };
    matches!(rest, [month, rest @ ..] if month.is_month(date) && is_same_year(month, rest, date))
}

/// `March 9`, `March 9th, 2026`.
fn is_month_first(words: &[Word<'_>], date: Date) -> bool {
    let [month, rest @ ..] = words else { return false };
    if !month.is_month(date) || !is_light(month.gap) {
        return false;
    }
    let Some(after) = after_day(rest, date) else {
        return false;
    };
    let day = &rest[rest.len() - after.len() - 1];
    is_same_year(day, after, date)
}

/// What follows the day and its ordinal ending, if something does and only light marks stand between.
fn after_day<'a, 'b>(words: &'a [Word<'b>], date: Date) -> Option<&'a [Word<'b>]> {
    let (day, rest) = words.split_first().filter(|(day, _)| day.is_day(date))?;
    match rest {
        [ending, rest @ ..] if day.gap.is_empty() => {
            (matches!(ending.text, "st" | "nd" | "rd" | "th")).then_some(rest)
        }
        // `March 9:30` is no day, `9.5` neither.
        [next, ..] if next.is_digits() => matches!(day.gap, " " | ", ").then_some(rest),
        _ => Some(rest),
    }
}

/// Whether no other year follows.
fn is_same_year(last: &Word<'_>, rest: &[Word<'_>], date: Date) -> bool {
    match rest {
        [year, ..] if is_light(last.gap) && year.is_digits() && year.text.len() == 4 => {
            year.is_number(date.year().into(), 4..=4)
        }
        _ => true,
    }
}

fn is_light(gap: &str) -> bool {
    gap.chars().all(|c| matches!(c, ' ' | '.' | ',' | '-' | '\u{a0}'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_usual_spellings_are_found() {
        let day = date(2026, 3, 9);
        let found = [
            "Due 2026-03-09.",
            "at 2026-03-09T10:00",
            "2026/03/09",
            "am 09.03.2026 um 10 Uhr",
            "9.3.2026",
            "9. 3. 2026",
            "09.03.26",
            "9 March 2026",
            "Monday, 9 March",
            "9th of March",
            "9. März 2026",
            "March 9",
            "March 9, 2026",
            "Mar 9th",
            "March 09 2026",
            "on March 9 at 10:00",
            "9-Mar-2026",
        ];
        for line in found {
            assert!(is_mentioned(&line.to_lowercase(), day), "{line}");
        }
    }

    #[test]
    fn other_days_and_numbers_are_not() {
        let day = date(2026, 3, 9);
        let other = [
            "",
            "2026-03-19",
            "2025-03-09",
            "12026-03-09",
            "9 March 2025",
            "March 9, 2025",
            "19 March",
            "March 19",
            "March 9:30",
            "29.03.2026",
            "09.03.2025",
            "9.5 marching bands",
            "May 9",
            "9 may",
            "03/09/2026",
            "March 2026",
            "9 people march",
            "Monday",
        ];
        for line in other {
            assert!(!is_mentioned(&line.to_lowercase(), day), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_fail(line in "\\PC*") {
            is_mentioned(&line.to_lowercase(), date(2026, 3, 9));
        }
    }
}
