//! Rows, for people and for tools.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// One figure beside its lower bound.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// How long it took, or how much it was.
    pub measured: f64,
    /// The same for the bare primitives, or for the case compared with.
    pub floor: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// What stands in `floor`.
    pub beside: String,
    /// The first by the second.
    pub ratio: f64,
    /// The ratio to reach, where one is set.
    pub target: Option<f64>,
}

impl Row {
    /// A row of times.
    #[must_use]
    pub fn time(
        name: impl Into<String>,
        measured: Duration,
        floor: Duration,
        beside: impl Into<String>,
    ) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        Self::new(name, micros(measured), micros(floor), "us", beside)
    }

    /// A row of anything else.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        measured: f64,
        floor: f64,
        unit: &'static str,
        beside: impl Into<String>,
    ) -> Self {
        let ratio = measured / floor;
        Self {
            name: name.into(),
            measured,
            floor,
            unit,
            beside: beside.into(),
            ratio,
            target: None,
        }
    }

    /// The same with a ratio to reach.
    #[must_use]
    pub fn at_most(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            measured,
            floor,
            unit,
            beside,
            ratio,
            ..
        } = self;
        write!(
            f,
            "{name:<44} {measured:>12.2} {unit:<5} {floor:>12.2} {unit:<5} {ratio:>7.3}"
        )?;
        match self.target {
            Some(target) if *ratio <= target => write!(f, "  <= {target:<5}")?,
            Some(target) => write!(f, "  MISSES {target}")?,
            None => write!(f, "{:10}", "")?,
        }
        write!(f, "  {beside}")
    }
}
