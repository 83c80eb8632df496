//! Rust text as a list of tokens: what an anchor is compared by, whatever the lines and spaces.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use crate::Result;

/// One token, and which bytes of its text it covers. Operators such as `&&` and lifetimes are one.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Those of more than one character, longest first.
const OPERATORS: [&str; 24] = [
    "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "<<", ">>",
    "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "..",
];

/// Of a snippet. Its brackets have to be in pairs.
pub(crate) fn of_text(text: &str) -> Result<Vec<Token>> {
    let stream: TokenStream = text
        .parse()
        .map_err(|error| format!("`{text}` is not Rust: {error}"))?;
    Ok(of_stream(stream))
}

pub(crate) fn of_stream(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    push(stream, &mut tokens);
    tokens
}

fn push(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let mut bytes = tree.span().byte_range();
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => {
                        push(group.stream(), tokens);
                        continue;
                    }
                };
                tokens.push(token(open, group.span_open().byte_range()));
                push(group.stream(), tokens);
                // rustfmt puts a comma there when it breaks a line, and takes it away again.
                if tokens.last().is_some_and(|last| last.text == ",") {
                    tokens.pop();
                }
                tokens.push(token(close, group.span_close().byte_range()));
            }
            TokenTree::Punct(first) => {
                let mut text = first.as_char().to_string();
                let mut is_joint = first.spacing() == Spacing::Joint;
                if text == "'"
                    && let Some(TokenTree::Ident(name)) = trees.peek()
                {
                    text += &name.to_string();
                    bytes.end = name.span().byte_range().end;
                    trees.next();
                }
                while is_joint && let Some(TokenTree::Punct(next)) = trees.peek() {
                    let longer = format!("{text}{}", next.as_char());
                    if !OPERATORS.iter().any(|one| one.starts_with(&longer)) {
                        break;
                    }
                    text = longer;
                    bytes.end = next.span().byte_range().end;
                    is_joint = next.spacing() == Spacing::Joint;
                    trees.next();
                }
                tokens.push(token(&text, bytes));
            }
            TokenTree::Ident(name) => tokens.push(token(&name.to_string(), bytes)),
            TokenTree::Literal(literal) => tokens.push(token(&literal.to_string(), bytes)),
        }
    }
}

fn token(text: &str, bytes: std::ops::Range<usize>) -> Token {
    Token {
        text: text.to_owned(),
        start: bytes.start,
        end: bytes.end,
    }
}

/// Where `wanted` begins among `tokens`: each place of it.
pub(crate) fn find(tokens: &[Token], wanted: &[Token]) -> Vec<usize> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let is_here = |window: &[Token]| {
        let pairs = window.iter().zip(wanted);
        pairs.into_iter().all(|(one, other)| one.text == other.text)
    };
    let windows = tokens.windows(wanted.len()).enumerate();
    let places = windows.filter(|(_, window)| is_here(window));
    places.map(|(place, _)| place).collect()
}

/// How many of the first tokens of `wanted` are somewhere among `tokens`.
pub(crate) fn longest_start(tokens: &[Token], wanted: &[Token]) -> usize {
    let lengths = (0..=wanted.len()).rev();
    let mut there = lengths.filter(|length| !find(tokens, &wanted[..*length]).is_empty());
    there.next().unwrap_or(0)
}

/// `text` with `new` in each place where it has `old`, compared by tokens.
pub(crate) fn replace(text: &str, old: &str, new: &str) -> Result<String> {
    let (tokens, wanted) = (of_text(text)?, of_text(old)?);
    let mut changed = text.to_owned();
    for place in find(&tokens, &wanted).into_iter().rev() {
        let end = tokens[place + wanted.len() - 1].end;
        changed.replace_range(tokens[place].start..end, new);
    }
    Ok(changed)
}
