//! Refuses templates whose memory has no bound.
//!
//! The engine of the templates counts steps, not bytes, and each `{% set a = a ~ a %}` doubles a text. So text and
//! lists may grow only where it is counted, which is in filters (see [`super::budget`]) and in what is written.
//! This module refuses every other way, before anything runs:
//!
//! * operators that join or repeat texts and lists; what is left of `+` and `*` computes with numbers;
//! * lists, tuples and maps made of variables, except as what `join` joins, so that nothing nests itself;
//! * slices, and what macros make, anywhere but in what is written;
//! * blocks that collect what they hold, recursion, and loops within macros, which collect too;
//! * expressions so long, and conditions with so many branches, that compiling them would need a deep stack.

use std::collections::HashSet;

use atom_core::{Error, Result};
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Filter, Macro, Stmt, UnaryOpKind};
use minijinja::machinery::{Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::template::template_error;

/// How many words and signs one pair of braces may hold.
const MAX_TOKENS: usize = 1000;
/// How many `elif` a template may hold.
const MAX_ELIF: usize = 500;

/// Checks a template.
pub(super) fn check(template: &str, syntax: &SyntaxConfig) -> Result<()> {
    check_tokens(template, syntax)?;
    let parsed = parse(template, "<string>", syntax.clone()).map_err(template_error)?;
    Rules::default().statement(&parsed)
}

fn check_tokens(template: &str, syntax: &SyntaxConfig) -> Result<()> {
    let (mut tokens, mut branches) = (0, 0);
    for token in tokenize(template, false, syntax.clone()) {
        let (token, span) = token.map_err(template_error)?;
        match token {
            Token::BlockStart | Token::VariableStart => tokens = 0,
            Token::Ident("elif") => branches += 1,
            _ => {}
        }
        tokens += 1;
        if tokens > MAX_TOKENS || branches > MAX_ELIF {
            let message = format!(
                "an expression of more than {MAX_TOKENS} words and signs, or more than {MAX_ELIF} 'elif'"
            );
            return Err(refused(&message, usize::from(span.start_line)));
        }
    }
    Ok(())
}

/// Where the value of an expression goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is written and forgotten.
    Written,
    /// It is kept, compared or computed with.
    Kept,
}

/// What is known of the template so far.
#[derive(Debug, Default)]
struct Rules<'a> {
    macros: HashSet<&'a str>,
    is_within_macro: bool,
}

impl<'a> Rules<'a> {
    fn statements(&mut self, statements: &[Stmt<'a>]) -> Result<()> {
        statements
            .iter()
            .try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'a>) -> Result<()> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr, Place::Written),
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr, Place::Kept)?;
                self.statements(&condition.true_body)?;
                self.statements(&condition.false_body)
            }
            Stmt::Set(set) => {
                self.target(&set.target)?;
                self.expression(&set.expr, Place::Kept)
            }
            Stmt::WithBlock(with) => {
                for (target, value) in &with.assignments {
                    self.target(target)?;
                    self.expression(value, Place::Kept)?;
                }
                self.statements(&with.body)
            }
            Stmt::ForLoop(for_loop) => {
                let line = usize::from(for_loop.span().start_line);
                if self.is_within_macro {
                    return Err(refused(
                        "a loop within a macro; loop around the macro's call",
                        line,
                    ));
                }
                if for_loop.recursive {
                    return Err(refused("a recursive loop", line));
                }
                self.target(&for_loop.target)?;
                self.expression(&for_loop.iter, Place::Kept)?;
                self.all(for_loop.filter_expr.as_ref())?;
                self.statements(&for_loop.body)?;
                self.statements(&for_loop.else_body)
            }
            Stmt::Macro(declared) => {
                let line = usize::from(declared.span().start_line);
                if self.is_within_macro {
                    return Err(refused("a macro within a macro", line));
                }
                self.is_within_macro = true;
                let result = self.macro_body(declared);
                self.is_within_macro = false;
                result?;
                // Only now, so that a macro cannot call itself.
                if !self.macros.insert(declared.name) {
                    return Err(refused("a second macro with the same name", line));
                }
                Ok(())
            }
            Stmt::SetBlock(block) => Err(refused_block("set without '='", block.span().start_line)),
            Stmt::FilterBlock(block) => Err(refused_block("filter", block.span().start_line)),
            Stmt::AutoEscape(block) => Err(refused_block("autoescape", block.span().start_line)),
            Stmt::Block(block) => Err(refused_block("block", block.span().start_line)),
            Stmt::Import(block) => Err(refused_block("import", block.span().start_line)),
            Stmt::FromImport(block) => Err(refused_block("from", block.span().start_line)),
            Stmt::Extends(block) => Err(refused_block("extends", block.span().start_line)),
            Stmt::Include(block) => Err(refused_block("include", block.span().start_line)),
            Stmt::CallBlock(block) => Err(refused_block("call", block.span().start_line)),
            Stmt::Do(block) => Err(refused_block("do", block.span().start_line)),
        }
    }

    fn macro_body(&mut self, declared: &Macro<'a>) -> Result<()> {
        declared
            .args
            .iter()
            .try_for_each(|argument| self.target(argument))?;
        self.all(&declared.defaults)?;
        self.statements(&declared.body)
    }

    /// A name that takes a value. It cannot hide a macro, or a macro could be handed to itself under its name.
    fn target(&self, target: &Expr<'a>) -> Result<()> {
        match target {
            Expr::Var(name) if !self.macros.contains(name.id) => Ok(()),
            Expr::List(list) => list.items.iter().try_for_each(|item| self.target(item)),
            Expr::Tuple(tuple) => tuple.items.iter().try_for_each(|item| self.target(item)),
            other => Err(refused(
                "a value for anything but a variable's own name",
                line(other),
            )),
        }
    }

    fn all<'e>(&self, expressions: impl IntoIterator<Item = &'e Expr<'a>>) -> Result<()>
    where
        'a: 'e,
    {
        expressions
            .into_iter()
            .try_for_each(|expression| self.expression(expression, Place::Kept))
    }

    fn expression(&self, expression: &Expr<'a>, place: Place) -> Result<()> {
        let at = line(expression);
        match expression {
            Expr::Var(_) | Expr::Const(_) => Ok(()),
            Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) if expression.as_const().is_some() => Ok(()),
            Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => Err(refused(
                "a list or map made of variables; only [a, b] | join(' ') can take one",
                at,
            )),
            Expr::Slice(_) if place == Place::Kept => {
                Err(refused("a slice that is kept; write it where it is needed", at))
            }
            Expr::Slice(slice) => {
                let bounds = [&slice.start, &slice.stop, &slice.step].into_iter().flatten();
                self.all(std::iter::once(&slice.expr).chain(bounds))
            }
            Expr::UnaryOp(operation) => self.expression(&operation.expr, Place::Kept),
            Expr::BinOp(operation) => {
                let (left, right) = (is_number(&operation.left), is_number(&operation.right));
                match operation.op {
                    BinOpKind::Concat => {
                        return Err(refused(
                            "'~'; write the values one after the other, or [a, b] | join",
                            at,
                        ));
                    }
                    BinOpKind::Add if !left && !right => {
                        return Err(refused(
                            "'+' between values that may be texts; for numbers write a | int + b, for texts [a, b] | join",
                            at,
                        ));
                    }
                    BinOpKind::Mul if !(left && right) => {
                        return Err(refused(
                            "'*' between values that may be texts; for numbers write a | int * 2",
                            at,
                        ));
                    }
                    _ => {}
                }
                self.all([&operation.left, &operation.right])
            }
            Expr::Compare(comparison) => self
                .all(std::iter::once(&comparison.expr).chain(comparison.ops.iter().map(|next| &next.expr))),
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr, Place::Kept)?;
                self.expression(&choice.true_expr, place)?;
                choice
                    .false_expr
                    .iter()
                    .try_for_each(|other| self.expression(other, place))
            }
            Expr::Filter(filter) => self.filter(filter, place),
            Expr::Test(test) => {
                self.expression(&test.expr, Place::Kept)?;
                self.arguments(&test.args)
            }
            Expr::GetAttr(attribute) => self.expression(&attribute.expr, Place::Kept),
            Expr::GetItem(item) => self.all([&item.expr, &item.subscript_expr]),
            Expr::Call(call) => {
                self.arguments(&call.args)?;
                match &call.expr {
                    Expr::Var(function) if function.id == "range" => Ok(()),
                    Expr::Var(function) if !self.macros.contains(function.id) => {
                        Err(refused("a call of what is no macro defined further up", at))
                    }
                    Expr::Var(_) if place == Place::Kept => Err(refused(
                        "a macro's text that is kept; write it where it is needed",
                        at,
                    )),
                    Expr::Var(_) => Ok(()),
                    Expr::GetAttr(method) if matches!(&method.expr, Expr::Var(name) if name.id == "loop") => {
                        Ok(())
                    }
                    _ => Err(refused(
                        "a call of anything but range, a macro or a method of loop",
                        at,
                    )),
                }
            }
        }
    }

    fn filter(&self, filter: &Filter<'a>, place: Place) -> Result<()> {
        self.arguments(&filter.args)?;
        match &filter.expr {
            Some(Expr::List(list)) if filter.name == "join" => self.all(&list.items),
            Some(subject) => self.expression(subject, place),
            None => Ok(()),
        }
    }

    fn arguments(&self, arguments: &[CallArg<'a>]) -> Result<()> {
        self.all(arguments.iter().map(|argument| match argument {
            CallArg::Pos(value)
            | CallArg::Kwarg(_, value)
            | CallArg::PosSplat(value)
            | CallArg::KwargSplat(value) => value,
        }))
    }
}

/// Whether an expression can only be a number, or fail. One number makes a sum a number or an error.
fn is_number(expression: &Expr<'_>) -> bool {
    match expression {
        Expr::Const(constant) => constant.value.is_number(),
        Expr::UnaryOp(operation) => matches!(operation.op, UnaryOpKind::Neg),
        Expr::BinOp(operation) => match operation.op {
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => true,
            BinOpKind::Add => is_number(&operation.left) || is_number(&operation.right),
            BinOpKind::Mul => is_number(&operation.left) && is_number(&operation.right),
            _ => false,
        },
        Expr::Filter(filter) => {
            matches!(filter.name, "abs" | "count" | "length" | "round" | "sum")
                // With a default they can be anything.
                || (matches!(filter.name, "float" | "int") && filter.args.is_empty())
        }
        Expr::GetAttr(attribute) => {
            matches!(&attribute.expr, Expr::Var(name) if name.id == "loop")
                && matches!(
                    attribute.name,
                    "depth" | "depth0" | "index" | "index0" | "length" | "revindex" | "revindex0"
                )
        }
        _ => false,
    }
}

fn line(expression: &Expr<'_>) -> usize {
    usize::from(expression.span().start_line)
}

fn refused_block(name: &str, line: u16) -> Error {
    refused(&format!("the block '{name}'"), usize::from(line))
}

fn refused(what: &str, line: usize) -> Error {
    Error::invalid_request(format!(
        "the template cannot be rendered: it must not hold {what}"
    ))
    .with_context("line", line)
}
