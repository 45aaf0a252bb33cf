//! Conditions on messages: `id > 3 and not (text contains "x")`.

use std::cmp::Ordering;
use std::str::FromStr;

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};

use super::field::{FieldPath, Found};
use super::filter_parser::parse;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter(Expression);

/// A part of a condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Test(Test),
}

/// A field compared with a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Test {
    pub(crate) field: FieldPath,
    pub(crate) operator: Operator,
    pub(crate) literal: Literal,
}

/// How they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Different,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
}

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Integer(i128),
    Number(f64),
    /// In quotes.
    Text(String),
    /// Without: true, false, the name of an enum's value, or a text.
    Word(String),
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map(Self)
    }
}

impl Filter {
    /// Looks whether messages of this type can be asked that.
    ///
    /// # Errors
    ///
    /// Which field is not there, or is of another kind than what it is compared with.
    pub(crate) fn check(&self, descriptor: &MessageDescriptor) -> Result<(), String> {
        check(&self.0, descriptor)
    }

    /// Tells whether the condition holds.
    pub(crate) fn holds(&self, message: &DynamicMessage) -> bool {
        holds(&self.0, message)
    }
}

fn check(expression: &Expression, descriptor: &MessageDescriptor) -> Result<(), String> {
    match expression {
        Expression::And(left, right) | Expression::Or(left, right) => {
            check(left, descriptor)?;
            check(right, descriptor)
        }
        Expression::Not(inner) => check(inner, descriptor),
        Expression::Test(test) => test.check(descriptor),
    }
}

fn holds(expression: &Expression, message: &DynamicMessage) -> bool {
    match expression {
        Expression::And(left, right) => holds(left, message) && holds(right, message),
        Expression::Or(left, right) => holds(left, message) || holds(right, message),
        Expression::Not(inner) => !holds(inner, message),
        Expression::Test(test) => test.field.find(message).iter().any(|found| test.fits(found)),
    }
}

impl Test {
    fn check(&self, descriptor: &MessageDescriptor) -> Result<(), String> {
        let kind = self.field.check(descriptor)?;
        let is_number = matches!(self.literal, Literal::Integer(_) | Literal::Number(_));
        let field = &self.field;
        let fits = |fits: bool, what: &str| {
            if fits { Ok(()) } else { Err(format!("{field} is {what}; compare it with one")) }
        };
        if self.operator == Operator::Contains && !matches!(kind, Kind::String | Kind::Bytes) {
            return Err(format!("{field} is neither text nor bytes, and contains nothing"));
        }
        match kind {
            Kind::String => fits(!is_number, "a text (in quotes)"),
            Kind::Bytes => {
                fits(matches!(self.literal, Literal::Text(_)), "bytes, written as a text in quotes")
            }
            Kind::Bool => fits(self.literal.truth().is_some(), "true or false"),
            Kind::Message(message) => {
                Err(format!("{field} is a {}; compare a field of it", message.full_name()))
            }
            Kind::Enum(kind) => match &self.literal {
                Literal::Integer(_) => Ok(()),
                Literal::Text(name) | Literal::Word(name) if kind.get_value_by_name(name).is_some() => Ok(()),
                _ => {
                    let names: Vec<String> = kind.values().map(|value| value.name().to_owned()).collect();
                    Err(format!("{field} is one of {}", names.join(", ")))
                }
            },
            _ => fits(is_number, "a number"),
        }
    }

    fn fits(&self, found: &Found) -> bool {
        if let Value::List(values) = &found.value {
            return values.iter().any(|value| self.holds_of(value, &found.kind));
        }
        self.holds_of(&found.value, &found.kind)
    }

    fn holds_of(&self, value: &Value, kind: &Kind) -> bool {
        if self.operator == Operator::Contains {
            return contains(value, self.literal.text());
        }
        let Some(order) = compare(value, kind, &self.literal) else {
            // What cannot be compared, not-a-number for one, is different.
            return self.operator == Operator::Different;
        };
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::Different => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::More => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
            Operator::Contains => false,
        }
    }
}

impl Literal {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Word(text) => text,
            Self::Integer(_) | Self::Number(_) => "",
        }
    }

    fn truth(&self) -> Option<bool> {
        match self {
            Self::Word(word) if word == "true" => Some(true),
            Self::Word(word) if word == "false" => Some(false),
            _ => None,
        }
    }
}

fn contains(value: &Value, part: &str) -> bool {
    match value {
        Value::String(text) => text.contains(part),
        Value::Bytes(octets) => {
            part.is_empty() || octets.windows(part.len()).any(|window| window == part.as_bytes())
        }
        _ => false,
    }
}

fn compare(value: &Value, kind: &Kind, literal: &Literal) -> Option<Ordering> {
    match value {
        Value::I32(value) => compare_integer(i128::from(*value), literal),
        Value::I64(value) => compare_integer(i128::from(*value), literal),
        Value::U32(value) => compare_integer(i128::from(*value), literal),
        Value::U64(value) => compare_integer(i128::from(*value), literal),
        Value::F32(value) => compare_float(f64::from(*value), Some(*value), literal),
        Value::F64(value) => compare_float(*value, None, literal),
        Value::Bool(value) => literal.truth().map(|truth| value.cmp(&truth)),
        Value::String(text) => Some(text.as_str().cmp(literal.text())),
        Value::Bytes(octets) => Some((**octets).cmp(literal.text().as_bytes())),
        Value::EnumNumber(number) => {
            let wanted = match literal {
                Literal::Integer(wanted) => *wanted,
                other => i128::from(kind.as_enum()?.get_value_by_name(other.text())?.number()),
            };
            Some(i128::from(*number).cmp(&wanted))
        }
        Value::Message(_) | Value::List(_) | Value::Map(_) => None,
    }
}

fn compare_integer(value: i128, literal: &Literal) -> Option<Ordering> {
    match literal {
        Literal::Integer(wanted) => Some(value.cmp(wanted)),
        Literal::Number(wanted) => (value as f64).partial_cmp(wanted),
        Literal::Text(_) | Literal::Word(_) => None,
    }
}

/// `short` is the value of a field with less precision: 0.1 is equal to it if it is the nearest it can have.
fn compare_float(value: f64, short: Option<f32>, literal: &Literal) -> Option<Ordering> {
    let wanted = match literal {
        Literal::Integer(wanted) => *wanted as f64,
        Literal::Number(wanted) => *wanted,
        Literal::Text(_) | Literal::Word(_) => return None,
    };
    if short.is_some_and(|short| short == wanted as f32) {
        return Some(Ordering::Equal);
    }
    value.partial_cmp(&wanted)
}

#[cfg(test)]
mod tests {
    use prost_reflect::ReflectMessage as _;

    use super::super::field::tests::message;
    use super::*;

    fn holds(expression: &str, message: &DynamicMessage) -> bool {
        let filter: Filter = expression.parse().unwrap_or_else(|why| panic!("{expression}: {why}"));
        filter.check(&message.descriptor()).unwrap_or_else(|why| panic!("{expression}: {why}"));
        filter.holds(message)
    }

    #[test]
    fn every_kind_of_field_is_compared() {
        let message = message(
            "id: -7 text: 'big dog' at { x: 0.5 } way { x: 1 } way { x: 2 } level: WARNING \
             labels { key: 'a' value: 3 } raw: '\\000ab' on: true big: 18446744073709551615 tags: 't' tags: 'u'",
        );
        for yes in [
            "id == -7",
            "id < 0",
            "id<=-7",
            "id >= -7.5",
            "id != 7",
            "text == 'big dog'",
            "text contains \"dog\"",
            "text > 'big'",
            "at.x == 0.5",
            "at.x > 0 and at.y == 0",
            "way.x == 2",
            "way.0.x == 1",
            "level == WARNING",
            "level < ERROR",
            "level >= 1",
            "labels.a == 3",
            "raw contains 'ab'",
            "on == true",
            "on != false",
            "big == 18446744073709551615",
            "big > 1e19",
            "tags == 'u'",
            "tags contains u",
            "not id == 3",
            "id == 1 or id == -7 and on == true",
            "not (id == 1 or id == 2)",
        ] {
            assert!(holds(yes, &message), "{yes}");
        }
        for no in [
            "id == 7",
            "way.2.x == 2",
            "labels.b == 3",
            "tags == 'v'",
            "(id == 1 or id == -7) and on == false",
            "raw contains 'abc'",
            "big < 18446744073709551615",
            "not (on == true)",
        ] {
            assert!(!holds(no, &message), "{no}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let descriptor = message("").descriptor();
        let check = |text: &str| text.parse::<Filter>().unwrap().check(&descriptor).unwrap_err();
        assert_eq!(check("nope == 1").split(" (").next(), Some("no field nope in demo.Cmd"));
        assert_eq!(check("id == 'x'"), "id is a number; compare it with one");
        assert_eq!(check("text == 1"), "text is a text (in quotes); compare it with one");
        assert_eq!(check("level == LOUD"), "level is one of NONE, WARNING, ERROR");
        assert_eq!(check("at == 1"), "at is a demo.Point; compare a field of it");
        assert_eq!(check("id contains 'x'"), "id is neither text nor bytes, and contains nothing");
        assert_eq!(check("on == 1"), "on is true or false; compare it with one");
    }
}
