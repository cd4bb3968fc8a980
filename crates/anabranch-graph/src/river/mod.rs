//! Rivers: one description of a network of branches, as plain data.
//!
//! A [`River`] is an ordered list of [`Branch`]es. A branch reads the input, or the last hidden
//! layer of an earlier branch (its *trunk*), and runs its layers; the predictions of earlier
//! branches may join before its head. It ends in a head, which is a task, or has none if it is a
//! trunk.
//!
//! ```text
//! x ── trunk ─┬─ price ──────────┬─ a number
//!             ├─ cut ── ⊕ price ─┼─ a class
//!             └─ size ───────────┴─ …
//! ```
//!
//! Everything that needs to know the network reads this description: [`River::build`] makes a
//! [`Graph`] from it, a model file stores it (`serde`), a reference implementation walks it. Every
//! layer has a name and a *stream*, which seeds its initial weights and masks: moving or adding a
//! branch leaves the numbers of the others unchanged.

mod build;
mod layer_kind;

use std::fmt::Write;

use anabranch_layers::{Activation, Init, Join, LossKind};
use serde::{Deserialize, Serialize};

pub use layer_kind::LayerKind;

#[cfg(doc)]
use crate::graph::Graph;

/// The description of a network of branches.
///
/// ```
/// use anabranch_graph::{Branch, Fusion, Join, River};
/// use anabranch_layers::{Activation, LossKind};
///
/// let river = River::new(8, [
///     Branch::new("trunk").hidden(32, Activation::Relu),
///     Branch::new("price").from("trunk").head(1, LossKind::HalfSquaredError, 1.0),
///     Branch::new("cut")
///         .from("trunk")
///         .hidden(16, Activation::Relu)
///         .batch_norm()
///         .join("price", Join::Broadcast)
///         .head(5, LossKind::CROSS_ENTROPY, 1.0),
/// ]);
/// let graph = river.build::<f32>(Fusion::Fused)?;
/// assert_eq!(graph.heads().len(), 2);
/// assert!(graph.param("cut.0.bn.weight").is_some());
/// # Ok::<(), anabranch_graph::GraphError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct River {
    /// Columns of the input.
    pub inputs: usize,
    /// The branches; each may read the earlier ones.
    pub branches: Vec<Branch>,
}

/// One branch of a [`River`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// The name of the branch and of its task.
    pub name: String,
    /// The earlier branch whose last layer it reads; `None` reads the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The layers, in order.
    #[serde(default)]
    pub layers: Vec<NamedLayer>,
    /// The predictions that join after the layers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<NamedJoin>,
    /// What the branch predicts; `None` for a mere trunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<BranchHead>,
}

/// A layer with its name and stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedLayer {
    /// The name of its node; its arrays are named `name.weight` and so on.
    pub name: String,
    /// Seeds its initial weights and its masks.
    pub stream: u32,
    /// The layer.
    pub layer: LayerKind,
}

/// A join of an earlier branch's prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedJoin {
    /// The name of its node; a projection's weight is named `name.weight`.
    pub name: String,
    /// Seeds a projection's initial weights.
    pub stream: u32,
    /// The branch whose prediction joins, as scores if it is a class.
    pub from: String,
    /// How it joins.
    pub join: Join,
}

/// The head of a branch: a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchHead {
    /// The layer that computes the prediction; its columns are the head's outputs.
    pub layer: NamedLayer,
    /// The loss of the prediction.
    pub loss: LossKind,
    /// The weight of this loss in the sum that is minimised.
    pub weight: f64,
}

impl River {
    /// A network of `branches` on `inputs` columns. Layers get their streams by position.
    pub fn new(inputs: usize, branches: impl IntoIterator<Item = Branch>) -> Self {
        let mut river = Self { inputs, branches: Vec::new() };
        branches.into_iter().for_each(|branch| river.push(branch));
        river
    }

    /// Appends a branch; its layers get streams that no other layer has.
    pub fn push(&mut self, mut branch: Branch) {
        let used = self.branches.iter().flat_map(Branch::streams).max();
        let first = used.map_or(1, |stream| stream + 1);
        for (stream, of_node) in (first..).zip(branch.streams_mut()) {
            *of_node = stream;
        }
        self.branches.push(branch);
    }

    /// The branches with heads, in order: the tasks.
    pub fn tasks(&self) -> impl Iterator<Item = (&Branch, &BranchHead)> {
        self.branches.iter().filter_map(|branch| Some((branch, branch.head.as_ref()?)))
    }

    /// The branch called `name`.
    pub fn branch(&self, name: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.name == name)
    }
}

impl Branch {
    /// A branch that reads the input and has no layers yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), from: None, layers: Vec::new(), joins: Vec::new(), head: None }
    }

    /// Reads the last layer of an earlier branch instead of the input.
    #[must_use]
    pub fn from(self, trunk: impl Into<String>) -> Self {
        Self { from: Some(trunk.into()), ..self }
    }

    /// Appends a hidden block: a linear layer `NAME.i` and its activation.
    #[must_use]
    pub fn hidden(mut self, outputs: usize, activation: Activation) -> Self {
        let name = format!("{}.{}", escaped(&self.name), self.n_blocks());
        let init = Init::KaimingUniform;
        self.layers.push(NamedLayer::new(&name, LayerKind::Linear { outputs, init }));
        self.layer(activation.name(), LayerKind::Activation(activation))
    }

    /// Appends batch normalisation with PyTorch's defaults to the last block.
    #[must_use]
    pub fn batch_norm(self) -> Self {
        self.layer("bn", LayerKind::BATCH_NORM)
    }

    /// Appends dropout to the last block.
    #[must_use]
    pub fn dropout(self, p: f64) -> Self {
        self.layer("dropout", LayerKind::Dropout { p })
    }

    /// Appends any layer to the last block, named `NAME.i.SUFFIX`.
    #[must_use]
    pub fn layer(mut self, suffix: &str, layer: LayerKind) -> Self {
        let block = self.n_blocks().saturating_sub(1);
        let name = format!("{}.{block}.{suffix}", escaped(&self.name));
        self.layers.push(NamedLayer::new(&name, layer));
        self
    }

    /// Joins the prediction of an earlier branch, as the node `NAME.join.OTHER`.
    #[must_use]
    pub fn join(mut self, branch: &str, join: Join) -> Self {
        let name = format!("{}.join.{}", escaped(&self.name), escaped(branch));
        self.joins.push(NamedJoin { name, stream: 0, from: branch.to_owned(), join });
        self
    }

    /// Ends the branch in a head `NAME.head` with `outputs` outputs.
    #[must_use]
    pub fn head(mut self, outputs: usize, loss: LossKind, weight: f64) -> Self {
        let name = format!("{}.head", escaped(&self.name));
        let layer = LayerKind::Linear { outputs, init: Init::XavierUniform };
        self.head = Some(BranchHead { layer: NamedLayer::new(&name, layer), loss, weight });
        self
    }

    /// Linear layers so far.
    fn n_blocks(&self) -> usize {
        let is_linear = |layer: &&NamedLayer| matches!(layer.layer, LayerKind::Linear { .. });
        self.layers.iter().filter(is_linear).count()
    }

    fn streams(&self) -> impl Iterator<Item = u32> {
        let layers = self.layers.iter().map(|layer| layer.stream);
        let joins = self.joins.iter().map(|join| join.stream);
        layers.chain(joins).chain(self.head.iter().map(|head| head.layer.stream))
    }

    fn streams_mut(&mut self) -> impl Iterator<Item = &mut u32> {
        let layers = self.layers.iter_mut().map(|layer| &mut layer.stream);
        let joins = self.joins.iter_mut().map(|join| &mut join.stream);
        layers.chain(joins).chain(self.head.iter_mut().map(|head| &mut head.layer.stream))
    }
}

impl NamedLayer {
    /// With stream 0, until a river assigns one.
    fn new(name: &str, layer: LayerKind) -> Self {
        Self { name: name.to_owned(), stream: 0, layer }
    }
}

/// A branch's name as part of a node's name: `.`, `%` and control characters become `%2E` and so
/// on, so that dots only separate the parts.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '.' || c == '%' || c.is_control() {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{:02X}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_dots_and_line_ends_to_themselves() {
        assert_eq!(escaped("price, EUR"), "price, EUR");
        assert_eq!(escaped("a.b\n%"), "a%2Eb%0A%25");
        let branch = Branch::new("a.b").hidden(3, Activation::Relu).batch_norm();
        let names: Vec<&str> = branch.layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["a%2Eb.0", "a%2Eb.0.relu", "a%2Eb.0.bn"]);
    }

    #[test]
    fn a_branch_more_leaves_the_streams_of_the_others() {
        let a = || Branch::new("a").hidden(3, Activation::Relu);
        let b = || a().head(1, LossKind::HalfSquaredError, 1.0);
        let mut river = River::new(2, [a(), Branch { name: "b".into(), ..b() }]);
        let before = river.clone();
        assert_eq!(
            river.branches.iter().flat_map(Branch::streams).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
        river.push(Branch { name: "c".into(), ..b() });
        assert_eq!(river.branches[..2], before.branches);
        assert_eq!(river.branches[2].streams().collect::<Vec<_>>(), [6, 7, 8]);
    }
}
