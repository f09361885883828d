//! How a body came about, for whoever fetched it and for the metrics.

/// How a body came about: what `Cache-Status` says (RFC 9211 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// How much of what it needs lay in the cache.
    pub found: Found,
    /// Whether it shares a read that another request had begun.
    pub collapsed: bool,
    /// Whether what is read for it is kept.
    pub stored: bool,
}

/// How much of what a body needs lies in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of it.
    All,
    /// Some of it.
    Some,
    /// None of it.
    Nothing,
}

impl Came {
    /// Nothing had to be read.
    pub const HIT: Self = Self { found: Found::All, collapsed: false, stored: false };

    /// A metric label.
    pub(super) const fn label(self) -> &'static str {
        match self.found {
            Found::All => "hit",
            _ if self.collapsed => "joined",
            Found::Some => "partial",
            Found::Nothing => "miss",
        }
    }
}
