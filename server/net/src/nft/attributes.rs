//! Attributes: each has a length, a number and a value, and a value may be attributes again.
//! Numbers are in network byte order, as nftables has them.

/// Set in the number of an attribute whose value is attributes.
const NESTED: u16 = 0x8000;
const HEADER: usize = 4;

/// A list of attributes under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        // Nothing here is near this limit; a length that is cut would be refused by the kernel.
        let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// A text, with the zero that ends it.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(super) fn long_number(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(super) fn nest(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NESTED, &inner.0)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_padded_and_says_its_own_length() {
        let list = Attributes::new().text(1, "lo").nest(2, &Attributes::new().number(3, 1));
        let head = |length: u16, kind: u16| [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        let expected =
            [head(7, 1), b"lo\0\0".to_vec(), head(12, 2 | NESTED), head(8, 3), vec![0, 0, 0, 1]];
        assert_eq!(list.as_bytes(), expected.concat());
    }
}
