//! The wire format of protocol buffers, as far as writing needs it: numbers, texts and messages,
//! each behind the number of its field.
//!
//! [Encoding](https://protobuf.dev/programming-guides/encoding/): a field starts with its number
//! times eight plus the type of what follows; whole numbers have seven bits a byte, the lowest
//! first, and what has a length is preceded by it.

/// What follows a field's number.
#[derive(Clone, Copy)]
enum WireType {
    Varint = 0,
    Fixed64 = 1,
    LengthDelimited = 2,
    Fixed32 = 5,
}

/// A message in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

impl Message {
    /// A message without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a whole number.
    pub fn int(mut self, field: u64, value: i64) -> Self {
        self.key(field, WireType::Varint);
        // Negative numbers are as long as 64 bits can be.
        self.varint(value.cast_unsigned());
        self
    }

    /// With a number of 32 bits.
    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.key(field, WireType::Fixed32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// With a number of 64 bits.
    pub fn double(mut self, field: u64, value: f64) -> Self {
        self.key(field, WireType::Fixed64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// With bytes.
    pub fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.key(field, WireType::LengthDelimited);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    /// With a text.
    pub fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// With another message.
    pub fn message(self, field: u64, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    /// With the same field once for each message.
    pub fn messages(self, field: u64, values: &[Message]) -> Self {
        values.iter().fold(self, |message, value| message.message(field, value))
    }

    /// As it is written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u64, wire_type: WireType) {
        self.varint(field << 3 | wire_type as u64);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 1 << 7 {
            self.0.push(value as u8 | 1 << 7);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's documentation, the bits of −1, and of 1.5 as IEEE 754 has them.
    #[test]
    fn fields_have_the_bytes_of_the_documentation() {
        assert_eq!(Message::new().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        let text = Message::new().text(2, "testing");
        assert_eq!(text.into_bytes(), [&[0x12, 0x07], &b"testing"[..]].concat());
        let inner = Message::new().int(1, 150);
        assert_eq!(Message::new().message(3, &inner).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().float(2, 1.5).into_bytes(), [0x15, 0, 0, 0xc0, 0x3f]);
        let double = [0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f];
        assert_eq!(Message::new().double(1, 1.5).into_bytes(), double);
        let negative = Message::new().int(20, -1).into_bytes();
        assert_eq!(negative, [&[0xa0, 0x01][..], &[0xff; 9], &[0x01]].concat());
    }
}
