//! What an expression means before it is asked: types, the facts it needs, and its worst case.
//!
//! A name that does not exist, operands that can never go together and a result that is no truth value are found here.
//! The worst case multiplies what walks walk over; beyond [`WORST`] no real image could stay within the budget.

use super::eval;
use super::parse::{Expr, Function, Op, Walk, parse};
use super::value::{Record, Type, Value, variables};
use super::{BUDGET, Stop, Uses};

/// Steps in the worst case that are still loaded: a hundred times the budget, which counts when it comes to it.
const WORST: f64 = 100.0 * BUDGET as f64;

/// An expression that was read and means something.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    expr: Expr,
    uses: Uses,
}

impl Program {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expr = parse(text)?;
        let mut checker = Checker { locals: Vec::new(), uses: Uses::default() };
        let known = checker.infer(&expr)?;
        if !matches!(known.kind, Type::Bool | Type::Any) {
            return Err(format!("the expression comes to a {}, not to true or false", known.kind));
        }
        if known.steps > WORST {
            return Err(format!(
                "the expression could take {:.0} steps on a large image, and the budget is {BUDGET}",
                known.steps
            ));
        }
        Ok(Self { expr, uses: checker.uses })
    }

    pub(crate) fn uses(&self) -> Uses {
        self.uses
    }

    /// What it comes to, with `variables` in the order of [`variables`].
    pub(crate) fn run(&self, variables: &[Value]) -> Result<bool, Stop> {
        eval::run(&self.expr, variables, BUDGET)
    }
}

/// A type, and the steps of the worst case.
struct Known {
    kind: Type,
    steps: f64,
}

struct Checker {
    locals: Vec<Type>,
    uses: Uses,
}

fn known(kind: Type, steps: f64) -> Result<Known, String> {
    Ok(Known { kind, steps: steps + 1.0 })
}

/// Whether a value of both types may be.
fn meet(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::List(a, _), Type::List(b, _)) | (Type::Map(a), Type::Map(b)) => meet(a, b),
        (a, b) => a == b,
    }
}

impl Checker {
    fn infer(&mut self, expr: &Expr) -> Result<Known, String> {
        match expr {
            Expr::Literal(value) => known(of_value(value), 0.0),
            Expr::Global(place) => {
                let all = variables();
                let Some((name, kind)) = all.into_iter().nth(*place) else {
                    return Err("no such variable".into());
                };
                match name {
                    "sbom" => self.uses.sbom = true,
                    "provenance" => self.uses.provenance = true,
                    "config" => self.uses.config = true,
                    "tag" | "namespace" => self.uses.place = true,
                    _ => {}
                }
                known(kind, 0.0)
            }
            Expr::Local(place) => known(self.locals.get(*place).cloned().unwrap_or(Type::Any), 0.0),
            Expr::Field(of, field) | Expr::Has(of, field) => {
                let of = self.infer(of)?;
                let kind = match &of.kind {
                    Type::Record(record) => field_type(*record, field)?,
                    Type::Map(inner) => (**inner).clone(),
                    Type::Any => Type::Any,
                    other => return Err(format!("a {other} has no field '{}'", field.escape_debug())),
                };
                let kind = if matches!(expr, Expr::Has(..)) { Type::Bool } else { kind };
                known(kind, of.steps)
            }
            Expr::Index(of, index) => {
                let (of, index) = (self.infer(of)?, self.infer(index)?);
                let (kind, wanted) = match &of.kind {
                    Type::List(inner, _) => ((**inner).clone(), Type::Number),
                    Type::Map(inner) => ((**inner).clone(), Type::Text),
                    Type::Any => (Type::Any, Type::Any),
                    other => return Err(format!("a {other} has no elements")),
                };
                if !meet(&wanted, &index.kind) {
                    return Err(format!("a {} is indexed by a {wanted}, not by a {}", of.kind, index.kind));
                }
                known(kind, of.steps + index.steps)
            }
            Expr::Not(inner) => self.all_of(&[inner], &Type::Bool, Type::Bool),
            Expr::Negate(inner) => self.all_of(&[inner], &Type::Number, Type::Number),
            Expr::And(a, b) | Expr::Or(a, b) => self.all_of(&[a, b], &Type::Bool, Type::Bool),
            Expr::If(condition, yes, no) => {
                let condition = self.all_of(&[condition], &Type::Bool, Type::Bool)?;
                let (yes, no) = (self.infer(yes)?, self.infer(no)?);
                let kind = if yes.kind == no.kind { yes.kind } else { Type::Any };
                known(kind, condition.steps + yes.steps + no.steps)
            }
            Expr::Binary(op, a, b) => self.binary(*op, a, b),
            Expr::List(items) => {
                let mut kinds = Vec::new();
                let mut steps = 0.0;
                for item in items {
                    let item = self.infer(item)?;
                    steps += item.steps;
                    kinds.push(item.kind);
                }
                let kind = match kinds.split_first() {
                    Some((first, rest)) if rest.iter().all(|k| k == first) => first.clone(),
                    _ => Type::Any,
                };
                known(Type::List(Box::new(kind), items.len() as f64), steps)
            }
            Expr::Map(entries) => {
                let mut steps = 0.0;
                for (key, value) in entries {
                    let (key, value) = (self.infer(key)?, self.infer(value)?);
                    if !meet(&key.kind, &Type::Text) {
                        return Err(format!("the keys of a map are strings here, not {}", key.kind));
                    }
                    steps += key.steps + value.steps;
                }
                known(Type::Map(Box::new(Type::Any)), steps)
            }
            Expr::Call(function, arguments) => self.call(*function, arguments),
            Expr::Matches(target, _) => {
                let target = self.all_of(&[target], &Type::Text, Type::Bool)?;
                known(Type::Bool, target.steps + 100.0)
            }
            Expr::Walk { walk, range, filter, body } => self.walk(*walk, range, filter.as_deref(), body),
        }
    }

    /// All of `parts` are of type `wanted`; together they make a `result`.
    fn all_of(&mut self, parts: &[&Expr], wanted: &Type, result: Type) -> Result<Known, String> {
        let mut steps = 0.0;
        for part in parts {
            let part = self.infer(part)?;
            if !meet(&part.kind, wanted) {
                return Err(format!("a {wanted} is wanted, and a {} stands there", part.kind));
            }
            steps += part.steps;
        }
        known(result, steps)
    }

    fn binary(&mut self, op: Op, a: &Expr, b: &Expr) -> Result<Known, String> {
        let (a, b) = (self.infer(a)?, self.infer(b)?);
        let steps = a.steps + b.steps;
        let wrong = |what: &str| Err(format!("a {} and a {} {what}", a.kind, b.kind));
        match op {
            Op::Equal | Op::Unequal => {
                // Null may be asked of everything: it is what is not known.
                if !meet(&a.kind, &b.kind) && a.kind != Type::Null && b.kind != Type::Null {
                    return wrong("are never equal");
                }
                let size = |t: &Type| if let Type::List(_, n) = t { *n } else { 1.0 };
                known(Type::Bool, steps + size(&a.kind).min(size(&b.kind)))
            }
            Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
                let ordered = |t: &Type| {
                    matches!(t, Type::Any | Type::Number | Type::Text | Type::Time | Type::Span | Type::Bool)
                };
                if !meet(&a.kind, &b.kind) || !ordered(&a.kind) || !ordered(&b.kind) {
                    return wrong("have no order");
                }
                known(Type::Bool, steps)
            }
            Op::In => {
                let size = match &b.kind {
                    Type::List(inner, size) if meet(&a.kind, inner) => *size,
                    Type::Map(_) if meet(&a.kind, &Type::Text) => 1.0,
                    Type::Any => 1.0,
                    Type::Record(_) => return wrong("do not go with 'in': ask has(…)"),
                    _ => return wrong("do not go with 'in'"),
                };
                known(Type::Bool, steps + size)
            }
            Op::Add => {
                let kind = match (&a.kind, &b.kind) {
                    (Type::List(x, n), Type::List(y, m)) => {
                        let inner = if x == y { (**x).clone() } else { Type::Any };
                        return known(Type::List(Box::new(inner), n + m), steps + n + m);
                    }
                    (Type::Time, Type::Span) | (Type::Span, Type::Time) => Type::Time,
                    (x, y) if x == y && matches!(x, Type::Number | Type::Text | Type::Span) => x.clone(),
                    (Type::Any, _) | (_, Type::Any) => Type::Any,
                    _ => return wrong("cannot be added"),
                };
                known(kind, steps)
            }
            Op::Subtract => {
                let kind = match (&a.kind, &b.kind) {
                    (Type::Time, Type::Time) => Type::Span,
                    (Type::Time, Type::Span) => Type::Time,
                    (x, y) if x == y && matches!(x, Type::Number | Type::Span) => x.clone(),
                    (Type::Any, _) | (_, Type::Any) => Type::Any,
                    _ => return wrong("cannot be subtracted"),
                };
                known(kind, steps)
            }
            Op::Multiply | Op::Divide | Op::Remainder => {
                if !meet(&a.kind, &Type::Number) || !meet(&b.kind, &Type::Number) {
                    return wrong("are no two numbers");
                }
                known(Type::Number, steps)
            }
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Result<Known, String> {
        let parts: Vec<&Expr> = arguments.iter().collect();
        match function {
            Function::StartsWith | Function::EndsWith | Function::Contains => {
                self.all_of(&parts, &Type::Text, Type::Bool)
            }
            Function::Timestamp => self.all_of(&parts, &Type::Text, Type::Time),
            Function::Duration => self.all_of(&parts, &Type::Text, Type::Span),
            Function::Size => {
                let mut steps = 0.0;
                for part in parts {
                    let part = self.infer(part)?;
                    if !matches!(part.kind, Type::Any | Type::Text | Type::List(..) | Type::Map(_)) {
                        return Err(format!("a {} has no size", part.kind));
                    }
                    steps += part.steps;
                }
                known(Type::Number, steps)
            }
            Function::Int | Function::Double | Function::String => {
                let mut steps = 0.0;
                for part in parts {
                    let part = self.infer(part)?;
                    if matches!(part.kind, Type::List(..) | Type::Map(_) | Type::Record(_)) {
                        return Err(format!("a {} is not converted", part.kind));
                    }
                    steps += part.steps;
                }
                known(if function == Function::String { Type::Text } else { Type::Number }, steps)
            }
        }
    }

    fn walk(
        &mut self,
        walk: Walk,
        range: &Expr,
        filter: Option<&Expr>,
        body: &Expr,
    ) -> Result<Known, String> {
        let range = self.infer(range)?;
        let (element, size) = match &range.kind {
            Type::List(inner, size) => ((**inner).clone(), *size),
            // Over the keys.
            Type::Map(_) => (Type::Text, 1_000.0),
            Type::Any => (Type::Any, 1_000.0),
            other => return Err(format!("a {other} is no list to walk over")),
        };
        self.locals.push(element.clone());
        let filter = filter.map(|f| self.infer(f)).transpose()?;
        let body = self.infer(body)?;
        self.locals.pop();
        let truth = |kind: &Type| matches!(kind, Type::Bool | Type::Any);
        if filter.as_ref().is_some_and(|f| !truth(&f.kind)) || (walk != Walk::Map && !truth(&body.kind)) {
            return Err("a walk over a list asks for true or false of each element".into());
        }
        let each = body.steps + filter.map_or(0.0, |f| f.steps);
        let steps = range.steps + size * (each + 1.0);
        let kind = match walk {
            Walk::All | Walk::Exists | Walk::ExistsOne => Type::Bool,
            Walk::Map => Type::List(Box::new(body.kind), size),
            Walk::Filter => Type::List(Box::new(element), size),
        };
        known(kind, steps)
    }
}

fn field_type(record: Record, field: &str) -> Result<Type, String> {
    let fields = record.fields();
    let found = fields.iter().find(|(name, _)| *name == field).map(|(_, kind)| kind.clone());
    found.ok_or_else(|| {
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        format!("there is no field '{}'; known are {}", field.escape_debug(), names.join(", "))
    })
}

fn of_value(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) | Value::Double(_) => Type::Number,
        Value::Text(_) => Type::Text,
        Value::Time(_) => Type::Time,
        Value::Span(_) => Type::Span,
        Value::List(list) => Type::List(Box::new(Type::Any), list.len() as f64),
        Value::Map(_) => Type::Map(Box::new(Type::Any)),
        Value::Record(record, _) => Type::Record(*record),
    }
}
