//! Rows that are Rust values: the fields of a struct, or the entries of a map, as cells.
//!
//! serde hands the fields over one by one; each is encoded where it arrives, and nothing is stored.

use std::fmt::{self, Display, Write};

use anabranch_tensor::Scalar;
use serde::ser::{Error, Impossible, SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::{Encoder, RowNotes};
use crate::cell::Cell;
use crate::error::RowError;

/// Longest text of a number that stands for a category or a date.
const MAX_DIGITS: usize = 32;

impl Encoder {
    /// Encodes one row, given as a struct or a map whose fields have the names of columns, into `x`
    /// `[width]`. Fields that are no input columns are passed over. It is fastest where the fields
    /// are in the order of the [input columns](Encoder::input_columns). Allocates nothing.
    ///
    /// A field is a number (as its digits for a category or a date), a text, a truth value (as
    /// `true` and `false`), a unit variant of an enum (as its name), or an option, of which `None`
    /// is a missing cell.
    ///
    /// ```
    /// # use anabranch_data::{Encoder, Executor, Table};
    /// # let table = Table::from_reader("t", "carat,cut\n1,Fair\n2,Ideal\n3,Fair\n4,Ideal\n".as_bytes())?;
    /// # let (encoder, _) = Encoder::fit::<&str>(&Executor::serial(), &table, &[0, 1, 2, 3], &[])?;
    /// #[derive(serde::Serialize)]
    /// struct Gem<'a> {
    ///     carat: Option<f64>,
    ///     cut: &'a str,
    /// }
    ///
    /// let mut x = vec![0.0_f32; encoder.width()];
    /// encoder.encode_record(&Gem { carat: None, cut: "Ideal" }, &mut x)?;
    /// assert_eq!(x, [0.0, 0.0, 1.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`encode_fields`](Encoder::encode_fields), and [`RowError::Record`] for a value that has
    /// no fields, or a field that is no cell.
    pub fn encode_record<T: Scalar>(
        &self,
        record: &impl Serialize,
        x: &mut [T],
    ) -> Result<RowNotes, RowError> {
        if x.len() != self.width {
            return Err(RowError::OutputLen { found: x.len(), expected: self.width });
        }
        // No cell is encoded as NaN: what still is has had no field.
        x.fill(T::from_f64(f64::NAN));
        let notes = RowNotes::default();
        let mut row = Row { encoder: self, x, next: (0, 0), place: None, notes };
        record.serialize(&mut row).map_err(|error| error.0)?;
        let (notes, mut start) = (row.notes, 0);
        for column in &self.columns {
            if x[start].to_f64().is_nan() {
                return Err(RowError::MissingField { column: column.name.clone() });
            }
            start += column.width();
        }
        Ok(notes)
    }
}

/// A column, and where its encoding begins.
type Place = (usize, usize);

/// Takes the fields of a record.
struct Row<'a, T> {
    encoder: &'a Encoder,
    x: &'a mut [T],
    /// Where the next field probably belongs.
    next: Place,
    /// Where the value of a map's entry belongs, once its key is known.
    place: Option<Place>,
    notes: RowNotes,
}

impl<T: Scalar> Row<'_, T> {
    fn place(&self, name: &str) -> Option<Place> {
        if self.encoder.columns.get(self.next.0).is_some_and(|column| column.name == name) {
            return Some(self.next);
        }
        let mut start = 0;
        for (i, column) in self.encoder.columns.iter().enumerate() {
            if column.name == name {
                return Some((i, start));
            }
            start += column.width();
        }
        None
    }

    fn encode(
        &mut self,
        place: Option<Place>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), Problem> {
        let Some((i, start)) = place else { return Ok(()) };
        let encoder = self.encoder;
        let end = start + encoder.columns[i].width();
        let (x, notes) = (&mut self.x[start..end], &mut self.notes);
        self.next = (i + 1, end);
        value.serialize(Value { encoder, column: i, x, notes })
    }
}

/// Why a record cannot be encoded.
#[derive(Debug)]
struct Problem(RowError);

impl Problem {
    fn not(what: &'static str) -> Self {
        Self(RowError::Record { problem: what.to_owned() })
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Problem {}

impl Error for Problem {
    fn custom<M: Display>(message: M) -> Self {
        Self(RowError::Record { problem: message.to_string() })
    }
}

impl<T: Scalar> SerializeStruct for &mut Row<'_, T> {
    type Ok = ();
    type Error = Problem;

    fn serialize_field<V: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &V,
    ) -> Result<(), Problem> {
        self.encode(self.place(name), value)
    }

    fn end(self) -> Result<(), Problem> {
        Ok(())
    }
}

impl<T: Scalar> SerializeMap for &mut Row<'_, T> {
    type Ok = ();
    type Error = Problem;

    fn serialize_key<K: Serialize + ?Sized>(&mut self, key: &K) -> Result<(), Problem> {
        self.place = key.serialize(Key(self))?;
        Ok(())
    }

    fn serialize_value<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), Problem> {
        self.encode(self.place, value)
    }

    fn end(self) -> Result<(), Problem> {
        Ok(())
    }
}

/// The methods of a serializer whose values are refused.
macro_rules! refused {
    ($what:literal: $($method:ident($($argument:ty),*) $returns:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$returns, Problem> {
            Err(Problem::not($what))
        })*
    };
}

/// What no record, key or cell is.
macro_rules! no_compounds {
    ($what:literal) => {
        type SerializeSeq = Impossible<Self::Ok, Problem>;
        type SerializeTuple = Impossible<Self::Ok, Problem>;
        type SerializeTupleStruct = Impossible<Self::Ok, Problem>;
        type SerializeTupleVariant = Impossible<Self::Ok, Problem>;
        type SerializeStructVariant = Impossible<Self::Ok, Problem>;

        refused! { $what:
            serialize_bytes(&[u8]) Self::Ok;
            serialize_seq(Option<usize>) Self::SerializeSeq;
            serialize_tuple(usize) Self::SerializeTuple;
            serialize_tuple_struct(&'static str, usize) Self::SerializeTupleStruct;
            serialize_tuple_variant(&'static str, u32, &'static str, usize)
                Self::SerializeTupleVariant;
            serialize_struct_variant(&'static str, u32, &'static str, usize)
                Self::SerializeStructVariant;
        }

        fn serialize_newtype_variant<V: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &V,
        ) -> Result<Self::Ok, Problem> {
            Err(Problem::not($what))
        }

        fn serialize_newtype_struct<V: Serialize + ?Sized>(
            self,
            _: &'static str,
            value: &V,
        ) -> Result<Self::Ok, Problem> {
            value.serialize(self)
        }
    };
}

/// What neither records nor keys are.
macro_rules! no_cells {
    ($what:literal) => {
        refused! { $what:
            serialize_bool(bool) Self::Ok;
            serialize_i8(i8) Self::Ok;
            serialize_i16(i16) Self::Ok;
            serialize_i32(i32) Self::Ok;
            serialize_i64(i64) Self::Ok;
            serialize_u8(u8) Self::Ok;
            serialize_u16(u16) Self::Ok;
            serialize_u32(u32) Self::Ok;
            serialize_u64(u64) Self::Ok;
            serialize_f32(f32) Self::Ok;
            serialize_f64(f64) Self::Ok;
            serialize_char(char) Self::Ok;
            serialize_none() Self::Ok;
            serialize_unit() Self::Ok;
            serialize_unit_struct(&'static str) Self::Ok;
        }

        fn serialize_some<V: Serialize + ?Sized>(self, _: &V) -> Result<Self::Ok, Problem> {
            Err(Problem::not($what))
        }
    };
}

/// What neither keys nor cells are.
macro_rules! no_fields {
    ($what:literal) => {
        type SerializeMap = Impossible<Self::Ok, Problem>;
        type SerializeStruct = Impossible<Self::Ok, Problem>;

        refused! { $what:
            serialize_map(Option<usize>) Self::SerializeMap;
            serialize_struct(&'static str, usize) Self::SerializeStruct;
        }
    };
}

impl<T: Scalar> Serializer for &mut Row<'_, T> {
    type Ok = ();
    type Error = Problem;
    type SerializeMap = Self;
    type SerializeStruct = Self;

    no_compounds!("it has no fields with names");
    no_cells!("it has no fields");
    refused! { "it has no fields":
        serialize_str(&str) ();
        serialize_unit_variant(&'static str, u32, &'static str) ();
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Problem> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Problem> {
        Ok(self)
    }
}

/// Finds where the value of a map's key belongs.
struct Key<'r, 'a, T>(&'r Row<'a, T>);

impl<T: Scalar> Serializer for Key<'_, '_, T> {
    type Ok = Option<Place>;
    type Error = Problem;

    no_compounds!("a key is no text");
    no_cells!("a key is no text");
    no_fields!("a key is no text");

    fn serialize_str(self, name: &str) -> Result<Option<Place>, Problem> {
        Ok(self.0.place(name))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<Option<Place>, Problem> {
        Ok(self.0.place(name))
    }
}

/// Encodes the value of a field as a cell.
struct Value<'r, T> {
    encoder: &'r Encoder,
    column: usize,
    x: &'r mut [T],
    notes: &'r mut RowNotes,
}

impl<T: Scalar> Value<'_, T> {
    fn cell(self, cell: Cell<'_>) -> Result<(), Problem> {
        let Self { encoder, column, x, notes } = self;
        let outcome = encoder.encode_cell(column, cell, x).map_err(Problem)?;
        notes.count(outcome);
        Ok(())
    }

    /// A number; for a category or a date, its digits.
    fn number(self, number: f64, digits: &dyn Display) -> Result<(), Problem> {
        let is_number = self.encoder.columns[self.column].encoding.number_format().is_some();
        if number.is_nan() || is_number {
            return self.cell(Cell::Number(number));
        }
        let mut text = Text { bytes: [0; MAX_DIGITS], len: 0 };
        match write!(text, "{digits}") {
            Ok(()) => self.cell(Cell::Text(text.as_str())),
            Err(_) => self.cell(Cell::Number(number)),
        }
    }
}

/// A short text without an allocation.
struct Text {
    bytes: [u8; MAX_DIGITS],
    len: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        // Whole texts were written.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Whole numbers and fractions as cells.
macro_rules! numbers {
    ($($method:ident $number:ty, $as_f64:expr;)*) => {
        $(fn $method(self, number: $number) -> Result<(), Problem> {
            let as_f64: fn($number) -> f64 = $as_f64;
            self.number(as_f64(number), &number)
        })*
    };
}

impl<T: Scalar> Serializer for Value<'_, T> {
    type Ok = ();
    type Error = Problem;

    no_compounds!("a field is a list");
    no_fields!("a field has fields of its own");

    numbers! {
        serialize_i8 i8, f64::from;
        serialize_i16 i16, f64::from;
        serialize_i32 i32, f64::from;
        serialize_i64 i64, |number| number as f64;
        serialize_u8 u8, f64::from;
        serialize_u16 u16, f64::from;
        serialize_u32 u32, f64::from;
        serialize_u64 u64, |number| number as f64;
        serialize_f32 f32, f64::from;
        serialize_f64 f64, |number| number;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Problem> {
        self.cell(Cell::Text(if value { "true" } else { "false" }))
    }

    fn serialize_char(self, value: char) -> Result<(), Problem> {
        self.cell(Cell::Text(value.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, text: &str) -> Result<(), Problem> {
        self.cell(Cell::Text(text))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<(), Problem> {
        self.cell(Cell::Text(name))
    }

    fn serialize_none(self) -> Result<(), Problem> {
        self.cell(Cell::Missing)
    }

    fn serialize_unit(self) -> Result<(), Problem> {
        self.cell(Cell::Missing)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Problem> {
        self.cell(Cell::Missing)
    }

    fn serialize_some<V: Serialize + ?Sized>(self, value: &V) -> Result<(), Problem> {
        value.serialize(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anabranch_tensor::Executor;

    use super::*;
    use crate::table::Table;

    fn encoder() -> Encoder {
        let mut csv = String::from("carat,cut,study,ringed\n");
        for i in 0..12 {
            csv += &format!(
                "{},{},{},{}\n",
                i % 5,
                ["Fair", "Ideal"][i % 2],
                ["1a", "2"][i % 2],
                ["true", "false"][i / 6]
            );
        }
        let table = Table::from_reader("t", csv.as_bytes()).unwrap();
        let rows: Vec<usize> = (0..12).collect();
        Encoder::fit::<&str>(&Executor::serial(), &table, &rows, &[]).unwrap().0
    }

    #[derive(Serialize)]
    enum Cut {
        Ideal,
    }

    #[derive(Serialize)]
    struct Gem {
        ringed: bool,
        study: u8,
        note: Vec<f64>,
        carat: Option<f32>,
        cut: Cut,
    }

    #[test]
    fn a_record_is_encoded_as_its_fields_are() {
        let encoder = encoder();
        let encoded = |record: &dyn Fn(&mut [f64]) -> Result<RowNotes, RowError>| {
            let mut x = vec![f64::NAN; encoder.width()];
            record(&mut x).map(|notes| (x, notes))
        };
        let fields = |carat| {
            let fields = [
                ("carat", carat),
                ("cut", Cell::Text("Ideal")),
                ("study", Cell::Text("2")),
                ("ringed", Cell::Text("true")),
            ];
            encoded(&|x| encoder.encode_fields(&fields, x)).unwrap()
        };
        let gem = |carat| Gem { ringed: true, study: 2, note: vec![1.0], carat, cut: Cut::Ideal };
        let number = encoded(&|x| encoder.encode_record(&gem(Some(2.5)), x)).unwrap();
        assert_eq!(number, fields(Cell::Number(2.5)));
        let missing = encoded(&|x| encoder.encode_record(&gem(None), x)).unwrap();
        assert_eq!(missing, fields(Cell::Missing));

        let texts = [("carat", "2.5"), ("cut", "Ideal"), ("ringed", "true"), ("study", "9")];
        let mut map = BTreeMap::from(texts);
        let (_, notes) = encoded(&|x| encoder.encode_record(&map, x)).unwrap();
        assert_eq!(notes, RowNotes { unseen_categories: 1, ..RowNotes::default() });
        map.insert("study", "2");
        assert_eq!(encoded(&|x| encoder.encode_record(&map, x)).unwrap(), number);

        map.remove("cut");
        let error = encoded(&|x| encoder.encode_record(&map, x)).unwrap_err();
        assert_eq!(error, RowError::MissingField { column: "cut".into() });
        for (error, problem) in [
            (encoded(&|x| encoder.encode_record(&2.5, x)), "it has no fields"),
            (encoded(&|x| encoder.encode_record(&[2.5], x)), "it has no fields with names"),
            (encoded(&|x| encoder.encode_record(&BTreeMap::from([(1, 2)]), x)), "a key is no text"),
            (
                encoded(&|x| encoder.encode_record(&BTreeMap::from([("carat", [1])]), x)),
                "a field is a list",
            ),
        ] {
            assert_eq!(error.unwrap_err(), RowError::Record { problem: problem.into() });
        }
        let infinite = BTreeMap::from([("carat", f64::INFINITY)]);
        let error = encoded(&|x| encoder.encode_record(&infinite, x)).unwrap_err();
        assert!(matches!(error, RowError::OutOfRange { column, .. } if column == "carat"));
    }
}
