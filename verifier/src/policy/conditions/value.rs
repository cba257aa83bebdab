//! The values of expressions, and what variables there are.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value. Copies are cheap: what is large is shared.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
    Time(Timestamp),
    Span(SignedDuration),
    List(Arc<Vec<Value>>),
    Map(Arc<BTreeMap<Arc<str>, Value>>),
    /// The fields of a record, in the order of [`Record::fields`].
    Record(Record, Arc<[Value]>),
}

/// What has fixed fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Image,
    Platform,
    Signer,
    Sbom,
    Package,
    Provenance,
    Config,
}

/// The type of an expression, as far as it is known when it is loaded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Any,
    Null,
    Bool,
    /// Of either kind.
    Number,
    Text,
    Time,
    Span,
    /// Of what, and of how many at most.
    List(Box<Type>, f64),
    Map(Box<Type>),
    Record(Record),
}

/// What the limits of the readers allow; lists that the expression makes itself are counted.
const FEW: f64 = 1_000.0;
/// As many packages as the largest images have.
const PACKAGES: f64 = 100_000.0;

impl Record {
    /// Names and types of its fields.
    pub(crate) fn fields(self) -> Vec<(&'static str, Type)> {
        let texts = || Type::List(Box::new(Type::Text), FEW);
        let named = || Type::Map(Box::new(Type::Text));
        match self {
            Self::Image => vec![
                ("name", Type::Text),
                ("registry", Type::Text),
                ("repository", Type::Text),
                ("digest", Type::Text),
            ],
            Self::Platform => {
                vec![("os", Type::Text), ("architecture", Type::Text), ("variant", Type::Text)]
            }
            Self::Signer => vec![("authority", Type::Text), ("id", Type::Text)],
            Self::Sbom => vec![("packages", Type::List(Box::new(Type::Record(Self::Package)), PACKAGES))],
            Self::Package => vec![
                ("name", Type::Text),
                ("version", Type::Text),
                ("purl", Type::Text),
                ("ecosystem", Type::Text),
                ("license", Type::Text),
                ("supplier", Type::Text),
            ],
            Self::Provenance => vec![
                ("builder", Type::Text),
                ("buildType", Type::Text),
                ("source", Type::Text),
                ("ref", Type::Text),
                ("commit", Type::Text),
            ],
            Self::Config => vec![
                ("user", Type::Text),
                ("env", texts()),
                ("ports", texts()),
                ("labels", named()),
                ("created", Type::Time),
                ("os", Type::Text),
                ("architecture", Type::Text),
            ],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Platform => "platform",
            Self::Signer => "signer",
            Self::Sbom => "sbom",
            Self::Package => "package",
            Self::Provenance => "provenance",
            Self::Config => "config",
        }
    }

    /// The place of a field.
    pub(crate) fn position(self, field: &str) -> Option<usize> {
        self.fields().iter().position(|(name, _)| *name == field)
    }
}

/// The variables, in the order in which they are handed to an expression.
pub(crate) fn variables() -> [(&'static str, Type); 11] {
    [
        ("image", Type::Record(Record::Image)),
        ("digest", Type::Text),
        ("tag", Type::Text),
        ("namespace", Type::Text),
        ("platform", Type::Record(Record::Platform)),
        ("annotations", Type::Map(Box::new(Type::Text))),
        ("signers", Type::List(Box::new(Type::Record(Record::Signer)), FEW)),
        ("sbom", Type::Record(Record::Sbom)),
        ("provenance", Type::Record(Record::Provenance)),
        ("config", Type::Record(Record::Config)),
        ("now", Type::Time),
    ]
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// The text, or null.
    pub(crate) fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    pub(crate) fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(Arc::new(values.into_iter().collect()))
    }

    pub(crate) fn map<'t>(entries: impl IntoIterator<Item = (&'t String, &'t String)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().map(|(k, v)| (k.as_str().into(), Self::text(v))).collect()))
    }

    /// What it is called.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Time(_) => "timestamp",
            Self::Span(_) => "duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Record(record, _) => record.name(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Text => "string",
            Self::Time => "timestamp",
            Self::Span => "duration",
            Self::List(..) => "list",
            Self::Map(_) => "map",
            Self::Record(record) => record.name(),
        })
    }
}
