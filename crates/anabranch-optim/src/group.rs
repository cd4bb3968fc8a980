//! Parameter groups: ranges of the flat slice with a weight decay and a learning rate of their own.

use std::ops::Range;

use crate::error::{OptimError, check_non_negative};

/// A range of the parameters that shares a weight decay and a scale of the learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamGroup {
    /// The parameters, as indices into the flat slice.
    pub range: Range<usize>,
    /// Weight decay: added to the gradient as `weight_decay · p` (L2), or decoupled from it, as the
    /// rule says.
    pub weight_decay: f64,
    /// Factor of the learning rate for this group; 0 freezes it.
    pub lr_scale: f64,
}

impl ParamGroup {
    /// A group that takes the learning rate as it is.
    pub fn new(range: Range<usize>, weight_decay: f64) -> Self {
        Self { range, weight_decay, lr_scale: 1.0 }
    }
}

/// Checks that `groups` cover `0..n_params` in order, and reduces them to as few as possible, since
/// each costs a call in every step: empty ones are dropped, neighbours with equal settings merged.
pub(crate) fn validated(
    groups: &[ParamGroup],
    n_params: usize,
) -> Result<Vec<ParamGroup>, OptimError> {
    let mut joined: Vec<ParamGroup> = Vec::with_capacity(groups.len());
    let mut expected = 0;
    for (index, group) in groups.iter().enumerate() {
        let Range { start, end } = group.range;
        if start != expected || end < start {
            return Err(OptimError::Group { index, start, end, expected });
        }
        check_non_negative("weight decay", group.weight_decay)?;
        check_non_negative("lr scale", group.lr_scale)?;
        expected = end;
        match joined.last_mut() {
            Some(last)
                if (last.weight_decay, last.lr_scale) == (group.weight_decay, group.lr_scale) =>
            {
                last.range.end = end;
            }
            _ if start == end => {}
            _ => joined.push(group.clone()),
        }
    }
    if expected != n_params {
        return Err(OptimError::GroupsEnd { end: expected, n_params });
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_must_cover_the_parameters_in_order() {
        let group = |start, end| ParamGroup::new(start..end, 0.1);
        let validated = |groups: &[ParamGroup]| validated(groups, 10).map(|g| g.len());
        assert_eq!(
            validated(&[group(0, 4), group(5, 10)]),
            Err(OptimError::Group { index: 1, start: 5, end: 10, expected: 4 })
        );
        assert_eq!(
            validated(&[group(0, 4), group(3, 10)]),
            Err(OptimError::Group { index: 1, start: 3, end: 10, expected: 4 })
        );
        assert_eq!(
            validated(&[group(0, 4), group(4, 2)]),
            Err(OptimError::Group { index: 1, start: 4, end: 2, expected: 4 })
        );
        assert_eq!(validated(&[group(0, 9)]), Err(OptimError::GroupsEnd { end: 9, n_params: 10 }));
        assert_eq!(validated(&[]), Err(OptimError::GroupsEnd { end: 0, n_params: 10 }));
        assert!(validated(&[ParamGroup::new(0..10, -0.1)]).is_err());
        assert!(validated(&[ParamGroup { lr_scale: f64::NAN, ..group(0, 10) }]).is_err());
    }

    #[test]
    fn empty_groups_are_dropped_and_equal_neighbours_merged() {
        let groups = [
            ParamGroup::new(0..2, 0.1),
            ParamGroup::new(2..2, 0.3),
            ParamGroup::new(2..5, 0.1),
            ParamGroup::new(5..6, 0.0),
            ParamGroup { range: 6..7, weight_decay: 0.0, lr_scale: 2.0 },
        ];
        let joined = validated(&groups, 7).unwrap();
        assert_eq!(joined[0], ParamGroup::new(0..5, 0.1));
        assert_eq!(joined[1..], groups[3..]);
    }
}
