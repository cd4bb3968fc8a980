//! An ONNX graph in the making: operators on named values.
//!
//! The numbers of fields are those of
//! [onnx.proto](https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

use std::collections::HashSet;

use crate::protobuf::Message;

/// The version of the file format that came with the operators used.
const IR_VERSION: i64 = 8;
/// The operators, and those of the domain [`ML`].
const OPSETS: [(&str, i64); 2] = [("", 17), (ML, 3)];

/// The domain of operators on text.
pub(super) const ML: &str = "ai.onnx.ml";

/// The name of the axis of rows, which may have any length.
const ROWS: &str = "N";

/// The type of a value's elements, by its number in the format.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Float = 1,
    Int64 = 7,
    Text = 8,
    Bool = 9,
    Double = 11,
}

/// Constant elements.
pub(super) enum Constant<'a> {
    Float(&'a [f32]),
    Double(&'a [f64]),
    Int64(&'a [i64]),
    Text(&'a [String]),
}

/// An attribute of an operator.
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Texts(&'a [String]),
}

/// The graph.
#[derive(Default)]
pub(super) struct GraphBuilder {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    names: HashSet<String>,
}

impl GraphBuilder {
    /// A column of the input `[N, 1]`. Inputs are named before all else, so that they can have any
    /// name.
    pub(super) fn input(&mut self, name: &str, kind: Type) {
        self.names.insert(name.to_owned());
        self.inputs.push(value(name, kind, 1));
    }

    /// A constant of this shape; returns its name, which begins as `hint`.
    pub(super) fn constant(&mut self, hint: &str, shape: &[usize], data: &Constant<'_>) -> String {
        let name = self.free_name(hint);
        let tensor = shape.iter().fold(Message::new(), |m, size| m.int(1, *size as i64));
        let (kind, bytes) = match data {
            Constant::Float(data) => (Type::Float, bytes(data, f32::to_le_bytes)),
            Constant::Double(data) => (Type::Double, bytes(data, f64::to_le_bytes)),
            Constant::Int64(data) => (Type::Int64, bytes(data, i64::to_le_bytes)),
            Constant::Text(_) => (Type::Text, Vec::new()),
        };
        let tensor = tensor.int(2, kind as i64).text(8, &name);
        let tensor = match data {
            Constant::Text(texts) => texts.iter().fold(tensor, |m, text| m.text(6, text)),
            _ => tensor.bytes(9, &bytes),
        };
        self.constants.push(tensor);
        name
    }

    /// One number for all rows.
    pub(super) fn double(&mut self, hint: &str, value: f64) -> String {
        self.constant(hint, &[1, 1], &Constant::Double(&[value]))
    }

    /// The output of an operator; its name begins as `hint`.
    pub(super) fn op(
        &mut self,
        hint: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) -> String {
        let domain = if op == "CategoryMapper" { ML } else { "" };
        let output = self.free_name(&format!("{hint}/{op}"));
        let node = inputs.iter().fold(Message::new(), |m, input| m.text(1, input));
        let node = node.text(2, &output).text(3, &output).text(4, op);
        let node = attributes.iter().fold(node, |m, (name, value)| {
            let attribute = Message::new().text(1, name);
            let attribute = match value {
                Attribute::Int(value) => attribute.int(3, *value).int(20, 2),
                Attribute::Ints(values) => {
                    values.iter().fold(attribute, |m, value| m.int(8, *value)).int(20, 7)
                }
                Attribute::Texts(values) => {
                    values.iter().fold(attribute, |m, value| m.text(9, value)).int(20, 8)
                }
            };
            m.message(5, &attribute)
        });
        self.nodes.push(node.text(7, domain));
        output
    }

    /// The output of an operator without attributes.
    pub(super) fn call(&mut self, hint: &str, op: &str, inputs: &[&str]) -> String {
        self.op(hint, op, inputs, &[])
    }

    /// A value as elements of another type.
    pub(super) fn cast(&mut self, hint: &str, x: &str, to: Type) -> String {
        self.op(hint, "Cast", &[x], &[("to", Attribute::Int(to as i64))])
    }

    /// The output `[N, width]` called `name`; returns the name that was free.
    pub(super) fn output(&mut self, name: &str, x: &str, kind: Type, width: usize) -> String {
        let name = self.free_name(name);
        let node = Message::new().text(1, x).text(2, &name).text(3, &name).text(4, "Identity");
        self.nodes.push(node);
        self.outputs.push(value(&name, kind, width));
        name
    }

    /// The model of this graph.
    pub(super) fn model(self, description: &str, properties: &[(String, String)]) -> Vec<u8> {
        let graph = Message::new()
            .messages(1, &self.nodes)
            .text(2, "anabranch")
            .messages(5, &self.constants)
            .messages(11, &self.inputs)
            .messages(12, &self.outputs);
        let model = Message::new()
            .int(1, IR_VERSION)
            .text(2, "anabranch")
            .text(3, env!("CARGO_PKG_VERSION"))
            .text(6, description)
            .message(7, &graph);
        let model = OPSETS.iter().fold(model, |m, (domain, version)| {
            m.message(8, &Message::new().text(1, domain).int(2, *version))
        });
        let properties = properties.iter();
        let model = properties.fold(model, |m, (key, value)| {
            m.message(14, &Message::new().text(1, key).text(2, value))
        });
        model.into_bytes()
    }

    fn free_name(&mut self, hint: &str) -> String {
        let mut name = hint.to_owned();
        let mut number = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{hint}_{number}");
            number += 1;
        }
        name
    }
}

/// The bytes of elements, one after the other.
fn bytes<T: Copy, const N: usize>(elements: &[T], of_one: fn(T) -> [u8; N]) -> Vec<u8> {
    elements.iter().flat_map(|element| of_one(*element)).collect()
}

/// What an input or output is: `[N, width]`.
fn value(name: &str, kind: Type, width: usize) -> Message {
    let rows = Message::new().text(2, ROWS);
    let columns = Message::new().int(1, width as i64);
    let shape = Message::new().messages(1, &[rows, columns]);
    let tensor = Message::new().int(1, kind as i64).message(2, &shape);
    Message::new().text(1, name).message(2, &Message::new().message(1, &tensor))
}
