//! The grammar of filters, read by descent.
//!
//! Source: AIP-160 (google.aip.dev/160) and its grammar. As there, `OR` binds tighter than `AND`, terms
//! beside each other are joined by `AND`, and `-` before a term is `NOT`. Functions are not spoken.

use super::{Comparator, Expression, FilterError};

/// The longest filter, in bytes.
const MAX_BYTES: usize = 4_096;
/// The deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 64;

/// Reads a filter; `None` for a text without a term.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, FilterError> {
    if text.len() > MAX_BYTES {
        return Err(FilterError::TooLong { found: text.len(), limit: MAX_BYTES });
    }
    let tokens = tokens(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens, next: 0, depth: 0, end };
    if parser.tokens.is_empty() {
        return Ok(None);
    }
    let expression = parser.expression()?;
    match parser.peek() {
        None => Ok(Some(expression)),
        Some(Token::Close) => Err(parser.error("a `)` without its `(`", "leave it out")),
        Some(_) => Err(parser.error("this", "give AND, OR or the end here")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Open,
    Close,
    Dot,
    Minus,
    Comparator(Comparator),
}

/// Tokens, each with the place of its first character from 1, and whether white space is before it.
fn tokens(text: &str) -> Result<Vec<(Token, usize, bool)>, FilterError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut index, mut spaced) = (0, true);
    while let Some(&mark) = chars.get(index) {
        let start = index;
        index += 1;
        let then_equals = chars.get(index) == Some(&'=');
        let token = match mark {
            ' ' | '\t' | '\n' | '\r' => {
                spaced = true;
                continue;
            }
            '(' => Token::Open,
            ')' => Token::Close,
            '.' => Token::Dot,
            '=' => Token::Comparator(Comparator::Equal),
            ':' => Token::Comparator(Comparator::Has),
            '<' | '>' => Token::Comparator(match (mark, then_equals) {
                ('<', false) => Comparator::Less,
                ('<', true) => Comparator::LessOrEqual,
                (_, false) => Comparator::Greater,
                (_, true) => Comparator::GreaterOrEqual,
            }),
            '!' if then_equals => Token::Comparator(Comparator::NotEqual),
            '!' => return Err(FilterError::at(start + 1, "`!` alone", "write `!=` or NOT")),
            ',' => return Err(FilterError::at(start + 1, "`,`", "functions are not spoken")),
            '-' => Token::Minus,
            '"' | '\'' => {
                let (quoted, after) = quoted(&chars, start)?;
                index = after;
                Token::Quoted(quoted)
            }
            _ => {
                while chars.get(index).is_some_and(|mark| !" \t\n\r().=:<>!,\"'".contains(*mark)) {
                    index += 1;
                }
                Token::Word(chars[start..index].iter().collect())
            }
        };
        if matches!(token, Token::Comparator(_)) && then_equals && "<>!".contains(mark) {
            index += 1;
        }
        tokens.push((token, start + 1, spaced));
        spaced = false;
    }
    Ok(tokens)
}

/// The text in the quotes that open at `start`, and the place after them; `\` keeps what follows it.
fn quoted(chars: &[char], start: usize) -> Result<(String, usize), FilterError> {
    let (quote, mut text, mut index) = (chars[start], String::new(), start + 1);
    while let Some(&mark) = chars.get(index) {
        index += 1;
        match mark {
            '\\' => {
                text.extend(chars.get(index));
                index += 1;
            }
            mark if mark == quote => return Ok((text, index)),
            mark => text.push(mark),
        }
    }
    Err(FilterError::at(start + 1, "a quote that is not closed", "close it"))
}

struct Parser {
    tokens: Vec<(Token, usize, bool)>,
    next: usize,
    depth: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, ..)| token)
    }

    fn word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found == word)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let there = self.peek() == Some(wanted);
        self.next += usize::from(there);
        there
    }

    fn error(&self, what: &'static str, remedy: &'static str) -> FilterError {
        let place = self.tokens.get(self.next).map_or(self.end, |(_, place, _)| *place);
        FilterError::at(place, what, remedy)
    }

    /// `sequence {AND sequence}`.
    fn expression(&mut self) -> Result<Expression, FilterError> {
        let mut all = self.sequence()?;
        while self.word("AND") {
            self.next += 1;
            all.extend(self.sequence()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::And(all) })
    }

    /// `factor {factor}`: terms beside each other.
    fn sequence(&mut self) -> Result<Vec<Expression>, FilterError> {
        let mut all = vec![self.factor()?];
        while self.peek().is_some_and(|token| *token != Token::Close) && !self.word("AND") {
            all.push(self.factor()?);
        }
        Ok(all)
    }

    /// `term {OR term}`.
    fn factor(&mut self) -> Result<Expression, FilterError> {
        let mut any = vec![self.term()?];
        while self.word("OR") {
            self.next += 1;
            any.push(self.term()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expression::Or(any) })
    }

    /// `[NOT | -] (restriction | "(" expression ")")`.
    fn term(&mut self) -> Result<Expression, FilterError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("too deep a nesting", "write it flatter"));
        }
        self.depth += 1;
        let term = if self.word("NOT") || self.peek() == Some(&Token::Minus) {
            self.next += 1;
            Expression::Not(Box::new(self.term()?))
        } else if self.take(&Token::Open) {
            let inner = self.expression()?;
            if !self.take(&Token::Close) {
                return Err(self.error("a `(` that is not closed", "close it with `)`"));
            }
            inner
        } else {
            self.restriction()?
        };
        self.depth -= 1;
        Ok(term)
    }

    /// `field {. field} [comparator value]`.
    fn restriction(&mut self) -> Result<Expression, FilterError> {
        let mut field = vec![self.value()?];
        while self.take(&Token::Dot) {
            field.push(self.value()?);
        }
        if self.peek() == Some(&Token::Open) {
            return Err(self.error("a function", "functions are not spoken; compare a field"));
        }
        let Some(Token::Comparator(comparator)) = self.peek() else {
            return Ok(Expression::Words(field.join(".")));
        };
        let comparator = *comparator;
        self.next += 1;
        let minus = if self.take(&Token::Minus) { "-" } else { "" };
        let mut value = format!("{minus}{}", self.value()?);
        // A number with a fraction, or a name with dots: without white space it is one value.
        while matches!(self.tokens.get(self.next), Some((Token::Dot, _, false))) {
            self.next += 1;
            value = format!("{value}.{}", self.value()?);
        }
        if matches!(self.peek(), Some(Token::Comparator(_))) {
            return Err(self.error("a second comparison", "put a value with `:` in quotes"));
        }
        Ok(Expression::Restriction { field, comparator, value })
    }

    fn value(&mut self) -> Result<String, FilterError> {
        let value = match self.peek() {
            Some(Token::Word(word)) if !matches!(word.as_str(), "AND" | "OR" | "NOT") => {
                word.clone()
            }
            Some(Token::Quoted(text)) => text.clone(),
            None => return Err(self.error("the end", "give a field or a value here")),
            Some(_) => return Err(self.error("this", "give a field or a value here")),
        };
        self.next += 1;
        Ok(value)
    }
}
