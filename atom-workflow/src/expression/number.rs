//! Numbers as jq has them, with integers kept exact over the ranges of `i64` and `u64`.

use std::cmp::Ordering;

use serde_json::Number as JsonNumber;

/// The greatest integer up to which every integer is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number. `Integer` lies within `i64::MIN..=u64::MAX`; what leaves that range becomes a float, as in jq.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    pub(super) fn from_i128(value: i128) -> Self {
        if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) {
            Self::Integer(value)
        } else {
            Self::Float(value as f64)
        }
    }

    /// The result of a calculation: integral results are integers, so that `4 / 2` is `2`.
    pub(super) fn from_f64(value: f64) -> Self {
        if value.abs() <= EXACT && value.fract() == 0.0 && !(value == 0.0 && value.is_sign_negative()) {
            Self::Integer(value as i128)
        } else {
            Self::Float(value)
        }
    }

    pub(super) fn from_json(number: &JsonNumber) -> Self {
        if let Some(value) = number.as_i64() {
            Self::Integer(value.into())
        } else if let Some(value) = number.as_u64() {
            Self::Integer(value.into())
        } else {
            Self::Float(number.as_f64().unwrap_or(f64::NAN))
        }
    }

    /// `None` for what JSON cannot express: infinities and NaN.
    pub(super) fn to_json(self) -> Option<JsonNumber> {
        match self {
            Self::Integer(value) => i64::try_from(value)
                .map(JsonNumber::from)
                .or_else(|_| u64::try_from(value).map(JsonNumber::from))
                .ok(),
            Self::Float(value) => JsonNumber::from_f64(value),
        }
    }

    /// As text, the way jq writes it: NaN as `null`, infinities as the greatest numbers.
    pub(super) fn to_text(self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Float(value) if value.is_nan() => "null".to_owned(),
            Self::Float(value) => match Self::from_f64(value.clamp(f64::MIN, f64::MAX)) {
                Self::Integer(value) => value.to_string(),
                Self::Float(value) => JsonNumber::from_f64(value)
                    .map(|number| number.to_string())
                    .unwrap_or_default(),
            },
        }
    }

    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// The integer this is, also when it is written as a float.
    pub(super) fn as_integer(self) -> Option<i128> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Float(value) => (value.fract() == 0.0 && value.abs() < 1e19).then_some(value as i128),
        }
    }

    pub(super) fn abs(self) -> Self {
        match self {
            Self::Integer(value) => Self::from_i128(value.abs()),
            Self::Float(value) => Self::Float(value.abs()),
        }
    }

    pub(super) fn negate(self) -> Self {
        match self {
            Self::Integer(value) => Self::from_i128(-value),
            Self::Float(value) => Self::Float(-value),
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        self.calculate(other, |a, b| Some(a + b), |a, b| a + b)
    }

    pub(super) fn subtract(self, other: Self) -> Self {
        self.calculate(other, |a, b| Some(a - b), |a, b| a - b)
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        self.calculate(other, i128::checked_mul, |a, b| a * b)
    }

    /// `None` when `other` is zero.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        if other.as_f64() == 0.0 {
            return None;
        }
        Some(self.calculate(other, |a, b| (a % b == 0).then(|| a / b), |a, b| a / b))
    }

    /// The remainder of the integer parts, with the sign of `self`, as in jq. `None` when that of `other` is
    /// zero.
    pub(super) fn remainder(self, other: Self) -> Option<Self> {
        if self.as_f64().is_nan() || other.as_f64().is_nan() {
            return Some(Self::Float(f64::NAN));
        }
        // Casts of floats saturate; clamped, so that `MIN % -1` cannot overflow.
        let truncate = |number: Self| match number {
            Self::Integer(value) => value,
            Self::Float(value) => (value as i128).clamp(i64::MIN.into(), u64::MAX.into()),
        };
        truncate(self).checked_rem(truncate(other)).map(Self::from_i128)
    }

    fn calculate(
        self,
        other: Self,
        exact: impl FnOnce(i128, i128) -> Option<i128>,
        float: impl FnOnce(f64, f64) -> f64,
    ) -> Self {
        if let (Self::Integer(left), Self::Integer(right)) = (self, other)
            && let Some(value) = exact(left, right)
        {
            return Self::from_i128(value);
        }
        Self::from_f64(float(self.as_f64(), other.as_f64()))
    }

    /// A total order; NaN comes first, as jq sorts it. Integers and floats are compared exactly, because a
    /// comparison by rounding is not transitive.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(&right),
            (Self::Integer(left), Self::Float(right)) => compare_mixed(left, right),
            (Self::Float(left), Self::Integer(right)) => compare_mixed(right, left).reverse(),
            (Self::Float(left), Self::Float(right)) => left
                .partial_cmp(&right)
                .unwrap_or_else(|| right.is_nan().cmp(&left.is_nan())),
        }
    }

    /// As jq's `==`: NaN equals nothing.
    pub(super) fn equals(self, other: Self) -> bool {
        !self.as_f64().is_nan() && self.compare(other) == Ordering::Equal
    }
}

fn compare_mixed(integer: i128, float: f64) -> Ordering {
    if float.is_nan() {
        return Ordering::Greater;
    }
    // The cast truncates and saturates far outside the range of integers.
    integer
        .cmp(&(float as i128))
        .then_with(|| 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<i64>().prop_map(|value| Number::from_i128(value.into())),
            any::<u64>().prop_map(|value| Number::from_i128(value.into())),
            any::<f64>().prop_map(Number::Float),
            (-4i8..4).prop_map(|value| Number::Float(f64::from(value) / 2.0)),
            (-4i8..4).prop_map(|value| Number::Integer(value.into())),
            (0i64..3).prop_map(|value| Number::Integer(9_007_199_254_740_991 + i128::from(value))),
            Just(Number::Float(EXACT)),
        ]
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in number(), b in number(), c in number()) {
            prop_assert_eq!(a.compare(b), b.compare(a).reverse());
            if a.compare(b) != Ordering::Greater && b.compare(c) != Ordering::Greater {
                prop_assert_ne!(a.compare(c), Ordering::Greater);
            }
        }

        #[test]
        fn calculations_never_panic(a in number(), b in number()) {
            for result in [a.add(b), a.subtract(b), a.multiply(b), a.negate(), a.abs()] {
                result.to_text();
            }
            a.divide(b);
            a.remainder(b);
        }
    }
}
