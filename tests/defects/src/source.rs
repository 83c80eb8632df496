//! The producer's text: its functions, and where expressions and statements begin and end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Stmt};

use crate::Result;
use crate::tokens::{self, Token};

/// What tests, or is there for tests: no defect is planted in it.
const NOT_PLANTED: [&str; 6] = ["tests", "model", "sim", "testing", "benchmarks", "examples"];

/// A range of bytes in a file.
pub(crate) type Bytes = (usize, usize);

#[derive(Default)]
pub(crate) struct Source {
    pub(crate) files: Vec<File>,
    /// In the order of the files. Also the items that are no functions, as `struct Reservation`, and
    /// macros, as `table!`.
    pub(crate) functions: Vec<Function>,
}

pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) expressions: BTreeSet<Bytes>,
    pub(crate) statements: BTreeMap<Bytes, Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Ends with its block: nothing can be put around it.
    Let,
    /// Ends with a semicolon, or needs none.
    Whole,
    /// The last of its block, whose value it gives.
    Tail,
}

pub(crate) struct Function {
    pub(crate) file: usize,
    /// Modules, type, name.
    pub(crate) path: Vec<String>,
    pub(crate) is_method: bool,
    pub(crate) tokens: Vec<Token>,
    /// Behind the brace that opens it.
    pub(crate) body: Option<usize>,
}

impl Source {
    pub(crate) fn read(root: &Path, files: &[PathBuf]) -> Result<Self> {
        let mut source = Self::default();
        for path in files {
            let is_source = path.extension().is_some_and(|one| one == "rs")
                && path.components().any(|one| one.as_os_str() == "src");
            let name_of = |part: &str| part.trim_end_matches(".rs").to_owned();
            let mut parts = path.iter().map(|one| name_of(&one.to_string_lossy()));
            if is_source && !parts.any(|part| NOT_PLANTED.contains(&&*part)) {
                let text = std::fs::read_to_string(root.join(path));
                let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
                source.add(path, text)?;
            }
        }
        Ok(source)
    }

    pub(crate) fn add(&mut self, path: &Path, text: String) -> Result<()> {
        let syntax = syn::parse_file(&text);
        let syntax = syntax.map_err(|error| {
            let at = error.span().start();
            let (line, column) = (at.line, at.column);
            format!("{}:{line}:{column}: {error}", path.display())
        })?;
        let mut modules: Vec<_> = path
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if let Some(src) = modules.iter().position(|part| part == "src") {
            modules.drain(..=src);
        }
        if matches!(modules.last().map(String::as_str), Some("mod" | "lib")) {
            modules.pop();
        }
        let mut nodes = Nodes::default();
        nodes.visit_file(&syntax);
        let index = self.files.len();
        self.items(index, &modules, &syntax.items);
        self.files.push(File {
            path: path.to_owned(),
            text,
            expressions: nodes.expressions,
            statements: nodes.statements,
        });
        Ok(())
    }

    fn items(&mut self, file: usize, modules: &[String], items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(one) if !is_test(&one.attrs) => {
                    let owner = (modules, None);
                    self.function(file, owner, &one.sig, Some(&one.block));
                }
                Item::Impl(one) if !is_test(&one.attrs) => {
                    let owner = (modules, Some(type_name(&one.self_ty)));
                    for method in one.items.iter().filter_map(method_of) {
                        let body = Some(&method.block);
                        self.function(file, owner.clone(), &method.sig, body);
                    }
                }
                Item::Trait(one) if !is_test(&one.attrs) => {
                    let owner = (modules, Some(one.ident.to_string()));
                    for method in one.items.iter().filter_map(provided_by) {
                        let body = method.default.as_ref();
                        self.function(file, owner.clone(), &method.sig, body);
                    }
                }
                Item::Mod(one) if !is_test(&one.attrs) => {
                    if let Some((_, items)) = &one.content {
                        let mut modules = modules.to_vec();
                        modules.push(one.ident.to_string());
                        self.items(file, &modules, items);
                    }
                }
                Item::Struct(one) => self.other(file, modules, "struct", &one.ident, one),
                Item::Enum(one) => self.other(file, modules, "enum", &one.ident, one),
                Item::Const(one) => self.other(file, modules, "const", &one.ident, one),
                Item::Macro(one) => {
                    let name = one.mac.path.segments.last();
                    if let Some(name) = one.ident.as_ref().or(name.map(|last| &last.ident)) {
                        let mut path = modules.to_vec();
                        path.push(format!("{name}!"));
                        self.push(file, path, one.mac.tokens.clone());
                    }
                }
                _ => {}
            }
        }
    }

    fn function(
        &mut self,
        file: usize,
        (modules, owner): (&[String], Option<String>),
        signature: &syn::Signature,
        block: Option<&syn::Block>,
    ) {
        let is_method = owner.is_some();
        let mut path = modules.to_vec();
        path.extend(owner);
        path.push(signature.ident.to_string());
        let mut stream = signature.to_token_stream();
        stream.extend(block.map(ToTokens::to_token_stream));
        self.functions.push(Function {
            file,
            path,
            is_method,
            tokens: tokens::of_stream(stream),
            body: block.map(|block| block.brace_token.span.open().byte_range().end),
        });
    }

    fn other(
        &mut self,
        file: usize,
        modules: &[String],
        kind: &str,
        name: &syn::Ident,
        item: &impl ToTokens,
    ) {
        let mut path = modules.to_vec();
        path.push(format!("{kind} {name}"));
        self.push(file, path, item.to_token_stream());
    }

    fn push(&mut self, file: usize, path: Vec<String>, stream: proc_macro2::TokenStream) {
        self.functions.push(Function {
            file,
            path,
            is_method: false,
            tokens: tokens::of_stream(stream),
            body: None,
        });
    }

    /// Those whose path ends so. A name alone is that of a function that belongs to no type.
    pub(crate) fn called(&self, place: &str) -> Vec<&Function> {
        let parts: Vec<&str> = place.split("::").collect();
        let is_it = |one: &&Function| {
            one.path.len() >= parts.len()
                && one.path[one.path.len() - parts.len()..] == parts
                && (parts.len() > 1 || !one.is_method)
        };
        self.functions.iter().filter(is_it).collect()
    }

    /// As much of its path as tells it from all others.
    pub(crate) fn shortest(&self, function: &Function) -> String {
        let least = 1 + usize::from(function.is_method);
        let lengths = least..=function.path.len();
        let ends = lengths.map(|length| function.path[function.path.len() - length..].join("::"));
        let mut single = ends.filter(|end| self.called(end).len() == 1);
        single.next().unwrap_or_else(|| function.path.join("::"))
    }

    /// "src/ids.rs:74".
    pub(crate) fn line(&self, file: usize, byte: usize) -> String {
        let File { path, text, .. } = &self.files[file];
        let line = 1 + text[..byte].matches('\n').count();
        format!("{}:{line}", path.display())
    }
}

fn method_of(item: &syn::ImplItem) -> Option<&syn::ImplItemFn> {
    match item {
        syn::ImplItem::Fn(method) if !is_test(&method.attrs) => Some(method),
        _ => None,
    }
}

fn provided_by(item: &syn::TraitItem) -> Option<&syn::TraitItemFn> {
    match item {
        syn::TraitItem::Fn(method) => Some(method),
        _ => None,
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|one| {
        let text = one.to_token_stream().to_string();
        text == "# [test]" || text == "# [cfg (test)]" || text.contains("all (test")
    })
}

fn type_name(of: &syn::Type) -> String {
    match of {
        syn::Type::Path(path) => {
            let last = path.path.segments.last();
            last.map_or_else(String::new, |last| last.ident.to_string())
        }
        syn::Type::Reference(reference) => type_name(&reference.elem),
        other => other.to_token_stream().to_string(),
    }
}

#[derive(Default)]
struct Nodes {
    expressions: BTreeSet<Bytes>,
    statements: BTreeMap<Bytes, Statement>,
}

fn bytes(span: Span) -> Bytes {
    let range = span.byte_range();
    (range.start, range.end)
}

impl<'ast> Visit<'ast> for Nodes {
    fn visit_expr(&mut self, expression: &'ast syn::Expr) {
        self.expressions.insert(bytes(expression.span()));
        visit::visit_expr(self, expression);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        for (index, one) in block.stmts.iter().enumerate() {
            let is_last = index + 1 == block.stmts.len();
            let kind = match one {
                Stmt::Local(_) | Stmt::Item(_) => Statement::Let,
                Stmt::Expr(_, None) if is_last => Statement::Tail,
                Stmt::Expr(..) | Stmt::Macro(_) => Statement::Whole,
            };
            self.statements.insert(bytes(one.span()), kind);
        }
        visit::visit_block(self, block);
    }
}
