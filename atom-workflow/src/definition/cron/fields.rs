//! The fields of a cron expression.

use atom_core::{Error, Result};

/// The values of a field that match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    values: u64,
    /// Whether it begins with `*`.
    pub(super) is_open: bool,
}

impl Field {
    pub(super) fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.values & (1 << value) != 0)
    }

    /// The values that match and that the kind of field has, as ranges from the first to the last.
    #[cfg(feature = "temporal")]
    pub(super) fn ranges(self, values: std::ops::RangeInclusive<i8>) -> Vec<(i8, i8)> {
        let mut ranges: Vec<(i8, i8)> = Vec::new();
        for value in values.filter(|value| self.has(*value)) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == value => *last = value,
                _ => ranges.push((value, value)),
            }
        }
        ranges
    }

    /// The first value that matches, from this one on.
    pub(super) fn next(self, from: i8) -> Option<i8> {
        let rest = self.values.checked_shr(u32::try_from(from).ok()?)?;
        if rest == 0 {
            return None;
        }
        from.checked_add(i8::try_from(rest.trailing_zeros()).ok()?)
    }
}

/// What a field is about.
pub(super) struct FieldKind {
    name: &'static str,
    first: u8,
    last: u8,
    /// What some values are called, from the first value on.
    names: &'static [&'static str],
}

pub(super) const MINUTES: FieldKind = FieldKind {
    name: "minute",
    first: 0,
    last: 59,
    names: &[],
};
pub(super) const HOURS: FieldKind = FieldKind {
    name: "hour",
    first: 0,
    last: 23,
    names: &[],
};
pub(super) const DAYS: FieldKind = FieldKind {
    name: "day of the month",
    first: 1,
    last: 31,
    names: &[],
};
pub(super) const MONTHS: FieldKind = FieldKind {
    name: "month",
    first: 1,
    last: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
/// Both 0 and 7 are Sunday.
pub(super) const WEEKDAYS: FieldKind = FieldKind {
    name: "day of the week",
    first: 0,
    last: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl FieldKind {
    pub(super) fn read(&self, text: &str) -> Result<Field> {
        let mut values = 0_u64;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let (first, last) = self.range(range)?;
            let step = match step {
                None => 1,
                Some(_) if range != "*" && !range.contains('-') => {
                    return Err(self.error(format!(
                        "'{part}' has a step but no range; write {range}-{}/…",
                        self.last
                    )));
                }
                Some(step) => match step.parse::<usize>() {
                    Ok(step) if step > 0 && step <= usize::from(self.last) => step,
                    _ => {
                        return Err(
                            self.error(format!("the step of '{part}' must be from 1 to {}", self.last))
                        );
                    }
                },
            };
            for value in (first..=last).step_by(step) {
                values |= 1 << value;
            }
        }
        if self.last == WEEKDAYS.last && values & (1 << 7) != 0 {
            values |= 1;
        }
        Ok(Field {
            values,
            is_open: text.starts_with('*'),
        })
    }

    fn range(&self, text: &str) -> Result<(u8, u8)> {
        if text == "*" {
            // A Sunday is not counted twice.
            let last = if self.last == WEEKDAYS.last { 6 } else { self.last };
            return Ok((self.first, last));
        }
        let Some((first, last)) = text.split_once('-') else {
            let value = self.value(text)?;
            return Ok((value, value));
        };
        let (first, mut last) = (self.value(first)?, self.value(last)?);
        if self.last == WEEKDAYS.last && last == 0 && first > 0 {
            last = 7;
        }
        if first > last {
            return Err(self.error(format!(
                "'{text}' runs backwards; write two ranges with a comma between them"
            )));
        }
        Ok((first, last))
    }

    fn value(&self, text: &str) -> Result<u8> {
        let name = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = name
            .and_then(|place| u8::try_from(place).ok())
            .map(|place| place + self.first);
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = || text.parse().ok().filter(|_| is_number);
        named
            .or_else(number)
            .filter(|value| (self.first..=self.last).contains(value))
            .ok_or_else(|| {
                let names = match (self.names.first(), self.names.last()) {
                    (Some(first), Some(last)) => format!(" or a name from {first} to {last}"),
                    _ => String::new(),
                };
                self.error(format!(
                    "'{text}' is not a number from {} to {}{names}",
                    self.first, self.last
                ))
            })
    }

    fn error(&self, message: String) -> Error {
        Error::invalid_request(format!("the {} of the cron expression: {message}", self.name))
    }
}
