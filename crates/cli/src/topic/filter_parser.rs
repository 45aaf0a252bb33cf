//! Reads conditions: `or` binds less than `and`, that less than `not`.

use super::field::FieldPath;
use super::filter::{Expression, Literal, Operator, Test};

/// How deep parentheses and `not` may go.
const DEPTH_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, a path, a number or a keyword.
    Word(String),
    Text(String),
    Operator(Operator),
    Open,
    Close,
}

/// Reads a condition.
///
/// # Errors
///
/// What is wrong, and at which character.
pub(crate) fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { tokens: split(text)?, next: 0, end: text.chars().count() + 1, depth: 0 };
    let expression = parser.either()?;
    match parser.tokens.get(parser.next) {
        None => Ok(expression),
        Some((at, token)) => {
            Err(format!("at {at}: expected and, or, or the end instead of {}", shown(token)))
        }
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => word.clone(),
        Token::Text(text) => format!("{text:?}"),
        Token::Operator(operator) => symbol(*operator).to_owned(),
        Token::Open => "(".to_owned(),
        Token::Close => ")".to_owned(),
    }
}

const fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "==",
        Operator::Different => "!=",
        Operator::Less => "<",
        Operator::AtMost => "<=",
        Operator::More => ">",
        Operator::AtLeast => ">=",
        Operator::Contains => "contains",
    }
}

/// Splits a text into tokens with their places, counted from 1.
fn split(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().enumerate().map(|(index, letter)| (index + 1, letter)).peekable();
    while let Some((at, letter)) = letters.next() {
        let token = match letter {
            _ if letter.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '"' | '\'' => {
                let mut quoted = String::new();
                loop {
                    match letters.next() {
                        Some((_, end)) if end == letter => break,
                        Some((_, '\\')) => quoted.extend(letters.next().map(|(_, escaped)| escaped)),
                        Some((_, other)) => quoted.push(other),
                        None => return Err(format!("at {at}: this {letter} is never closed")),
                    }
                }
                Token::Text(quoted)
            }
            '=' | '!' | '<' | '>' => {
                let second =
                    letters.next_if(|(_, second)| matches!(second, '=' | '~')).map(|(_, second)| second);
                match (letter, second) {
                    ('=', Some('=')) => Token::Operator(Operator::Equal),
                    ('!', Some('=')) => Token::Operator(Operator::Different),
                    ('<', Some('=')) => Token::Operator(Operator::AtMost),
                    ('>', Some('=')) => Token::Operator(Operator::AtLeast),
                    ('<', None) => Token::Operator(Operator::Less),
                    ('>', None) => Token::Operator(Operator::More),
                    ('=', Some('~')) => {
                        return Err(format!("at {at}: there is no =~; write contains for a part of a text"));
                    }
                    ('=', None) => return Err(format!("at {at}: write == to compare")),
                    ('!', None) => return Err(format!("at {at}: write != or not")),
                    _ => return Err(format!("at {at}: no such operator")),
                }
            }
            _ if is_word(letter) => {
                let mut word = String::from(letter);
                while let Some((_, more)) = letters.next_if(|(_, more)| is_word(*more)) {
                    word.push(more);
                }
                if word == "contains" { Token::Operator(Operator::Contains) } else { Token::Word(word) }
            }
            _ => return Err(format!("at {at}: {letter:?} means nothing here")),
        };
        tokens.push((at, token));
    }
    Ok(tokens)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '+')
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    /// The place behind the last character.
    end: usize,
    depth: usize,
}

impl Parser {
    fn take(&mut self) -> Option<(usize, Token)> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let is_it = matches!(self.tokens.get(self.next), Some((_, Token::Word(word))) if word == wanted);
        self.next += usize::from(is_it);
        is_it
    }

    fn expected<T>(&self, what: &str, instead: Option<(usize, Token)>) -> Result<T, String> {
        match instead {
            Some((at, token)) => Err(format!("at {at}: expected {what} instead of {}", shown(&token))),
            None => Err(format!("at {}: expected {what} instead of the end", self.end)),
        }
    }

    fn either(&mut self) -> Result<Expression, String> {
        let mut left = self.both()?;
        while self.take_word("or") {
            left = Expression::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expression, String> {
        let mut left = self.one()?;
        while self.take_word("and") {
            left = Expression::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} levels"));
        }
        let expression = self.level();
        self.depth -= 1;
        expression
    }

    fn level(&mut self) -> Result<Expression, String> {
        if self.take_word("not") {
            return Ok(Expression::Not(Box::new(self.one()?)));
        }
        match self.take() {
            Some((_, Token::Open)) => {
                let inner = self.either()?;
                match self.take() {
                    Some((_, Token::Close)) => Ok(inner),
                    other => self.expected("and, or, or )", other),
                }
            }
            Some((at, Token::Word(word))) if !matches!(word.as_str(), "and" | "or") => self.test(at, &word),
            other => self.expected("a field", other),
        }
    }

    fn test(&mut self, at: usize, field: &str) -> Result<Expression, String> {
        let field: FieldPath = field.parse().map_err(|why| format!("at {at}: {why}"))?;
        let operator = match self.take() {
            Some((_, Token::Operator(operator))) => operator,
            other => return self.expected("== != < <= > >= or contains", other),
        };
        let literal = match self.take() {
            Some((_, Token::Text(text))) => Literal::Text(text),
            Some((_, Token::Word(word))) => literal(word),
            other => return self.expected("a number, a word or a text in quotes", other),
        };
        Ok(Expression::Test(Test { field, operator, literal }))
    }
}

fn literal(word: String) -> Literal {
    if let Ok(integer) = word.parse() {
        return Literal::Integer(integer);
    }
    let is_number =
        word.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    match word.parse() {
        Ok(number) if is_number => Literal::Number(number),
        _ => Literal::Word(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(field: &str, operator: Operator, literal: Literal) -> Box<Expression> {
        Box::new(Expression::Test(Test { field: field.parse().unwrap(), operator, literal }))
    }

    #[test]
    fn and_binds_stronger_than_or_and_not_strongest() {
        let one = |name: &str| test(name, Operator::Equal, Literal::Integer(1));
        let expected = Expression::Or(
            one("a"),
            Box::new(Expression::And(Box::new(Expression::Not(one("b"))), one("c"))),
        );
        assert_eq!(parse("a == 1 or not b==1 and c == 1"), Ok(expected.clone()));
        assert_eq!(parse("(a==1)or((not(b == 1))and(c==1))"), Ok(expected));
    }

    #[test]
    fn literals_are_numbers_texts_and_words() {
        let parsed = |text: &str| match parse(text) {
            Ok(Expression::Test(test)) => test.literal,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(parsed("a < -3"), Literal::Integer(-3));
        assert_eq!(parsed("a < 1e3"), Literal::Number(1000.0));
        assert_eq!(parsed("a < .5"), Literal::Number(0.5));
        assert_eq!(parsed("a == inf"), Literal::Word("inf".into()));
        assert_eq!(parsed("a == WARNING"), Literal::Word("WARNING".into()));
        assert_eq!(parsed(r#"a == "x \" ' y""#), Literal::Text("x \" ' y".into()));
        assert_eq!(parsed("a == 'contains and'"), Literal::Text("contains and".into()));
    }

    #[test]
    fn errors_tell_the_place() {
        for (text, error) in [
            ("", "at 1: expected a field instead of the end"),
            ("a", "at 2: expected == != < <= > >= or contains instead of the end"),
            ("a ==", "at 5: expected a number, a word or a text in quotes instead of the end"),
            ("a > > 3", "at 5: expected a number, a word or a text in quotes instead of >"),
            ("a = 3", "at 3: write == to compare"),
            ("a =~ 'x'", "at 3: there is no =~; write contains for a part of a text"),
            ("a == 'x", "at 6: this ' is never closed"),
            ("(a == 1", "at 8: expected and, or, or ) instead of the end"),
            ("a == 1 b", "at 8: expected and, or, or the end instead of b"),
            ("a == 1 and", "at 11: expected a field instead of the end"),
            ("ä == 1 & b", "at 8: '&' means nothing here"),
            ("a. == 1", "at 1: write a field's name, with dots between those inside of each other: pose.x"),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
        assert!(parse(&"(".repeat(5000)).is_err_and(|why| why.contains("levels")));
    }
}
