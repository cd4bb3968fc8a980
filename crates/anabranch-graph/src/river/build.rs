//! Builds a network from its description.

use std::collections::HashMap;

use anabranch_tensor::Scalar;

use super::{Branch, NamedLayer, River};
use crate::builder::GraphBuilder;
use crate::error::GraphError;
use crate::fusion::Fusion;
use crate::graph::Graph;
use crate::node::NodeId;

/// The nodes of a branch that later branches may read.
struct Built {
    /// Its last layer before the joins.
    trunk: NodeId,
    /// Its prediction.
    head: Option<NodeId>,
}

impl River {
    /// The network.
    ///
    /// # Errors
    /// [`GraphError::Branch`], with the branch's name, if a branch reads one that is not before it,
    /// joins one without a prediction, has a name that is taken, or has a layer, join or loss that
    /// is rejected; and if a branch leads to no head.
    pub fn build<T: Scalar>(&self, fusion: Fusion) -> Result<Graph<T>, GraphError> {
        let mut g = GraphBuilder::new(self.inputs);
        let mut built: HashMap<&str, Built> = HashMap::new();
        for branch in &self.branches {
            let named = |reason: GraphError| GraphError::Branch {
                branch: branch.name.clone(),
                reason: Box::new(reason),
            };
            if built.contains_key(branch.name.as_str()) {
                return Err(named(GraphError::DuplicateName(branch.name.clone())));
            }
            let nodes = branch.add(&mut g, &built).map_err(named)?;
            built.insert(&branch.name, nodes);
        }
        g.build(fusion)
    }
}

impl Branch {
    /// Adds the nodes of the branch to a network that has the branches before it.
    fn add<T: Scalar>(
        &self,
        g: &mut GraphBuilder<T>,
        built: &HashMap<&str, Built>,
    ) -> Result<Built, GraphError> {
        let earlier = |name: &str| {
            built.get(name).ok_or_else(|| GraphError::UnknownBranch { name: name.to_owned() })
        };
        let mut node = match &self.from {
            None => g.input(),
            Some(trunk) => earlier(trunk)?.trunk,
        };
        for layer in &self.layers {
            node = layer.add(g, node)?;
        }
        let trunk = node;
        for join in &self.joins {
            let no_head = || GraphError::NoPrediction { name: join.from.clone() };
            let right = earlier(&join.from)?.head.ok_or_else(no_head)?;
            g.stream(join.stream);
            node = g.join(&join.name, join.join, node, right)?;
        }
        let Some(head) = &self.head else { return Ok(Built { trunk, head: None }) };
        node = head.layer.add(g, node)?;
        g.head(&self.name, node, head.weight, head.loss.boxed())?;
        Ok(Built { trunk, head: Some(node) })
    }
}

impl NamedLayer {
    fn add<T: Scalar>(&self, g: &mut GraphBuilder<T>, x: NodeId) -> Result<NodeId, GraphError> {
        g.stream(self.stream);
        self.layer.add(g, &self.name, x)
    }
}
