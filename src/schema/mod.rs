//! Stand-in for the schema: the two types that the graph needs.

/// A relation, by its place in the schema.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RelationId(pub u16);

/// A moment: unix milliseconds in `0..=253402300799999`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` after 1970, if it lies before the year 10000.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (0..=253_402_300_799_999).contains(&millis).then_some(Self(millis))
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0
    }
}
