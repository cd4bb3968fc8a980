//! Which rows have the targets of a task.

/// Which rows have the targets of a task: a row may lack those of some tasks. A task of several
/// columns of numbers has a row only if all of them have.
///
/// Where a row lacks a target, an arbitrary number or class stands in its place, which means
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// All rows.
    #[default]
    All,
    /// Those for which it is true.
    Each(Vec<bool>),
}

impl Presence {
    /// Of the rows for which it is true.
    pub(crate) fn of(has: Vec<bool>) -> Self {
        if has.contains(&false) { Self::Each(has) } else { Self::All }
    }

    /// Whether a row has the targets.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn has(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::Each(has) => has[row],
        }
    }

    /// How many of these rows have the targets.
    ///
    /// # Panics
    /// If one of them does not exist.
    pub fn count(&self, rows: impl IntoIterator<Item = usize>) -> usize {
        rows.into_iter().filter(|row| self.has(*row)).count()
    }

    /// That of the rows `row_idx`, in this order, in the place of what is here.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn gather(&mut self, all: &Self, row_idx: &[usize]) {
        match (&mut *self, all) {
            (_, Self::All) => *self = Self::All,
            (Self::Each(has), Self::Each(all)) => {
                has.clear();
                has.extend(row_idx.iter().map(|row| all[*row]));
            }
            (Self::All, Self::Each(all)) => {
                *self = Self::Each(row_idx.iter().map(|row| all[*row]).collect());
            }
        }
    }

    /// Adds `n_more` rows behind the first `n_rows`.
    pub(crate) fn append(&mut self, n_rows: usize, more: &Self, n_more: usize) {
        let of = |presence: &Self, n: usize| (0..n).map(|row| presence.has(row)).collect();
        let mut has: Vec<bool> = of(self, n_rows);
        has.extend::<Vec<bool>>(of(more, n_more));
        *self = Self::of(has);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_picked_counted_and_appended() {
        let some = Presence::of(vec![true, false, true]);
        assert_eq!((some.count(0..3), some.count([1, 1]), Presence::All.count(0..3)), (2, 0, 3));
        let mut picked = Presence::All;
        picked.gather(&some, &[1, 0]);
        assert_eq!(picked, Presence::Each(vec![false, true]));
        picked.gather(&some, &[2, 2, 1]);
        assert_eq!(picked, Presence::Each(vec![true, true, false]));
        picked.gather(&Presence::All, &[0]);
        assert_eq!(picked, Presence::of(vec![true; 4]));
        let mut all = some.clone();
        all.append(3, &Presence::All, 1);
        assert_eq!(all, Presence::Each(vec![true, false, true, true]));
        let mut all = Presence::All;
        all.append(1, &some, 3);
        assert_eq!(all, Presence::Each(vec![true, true, false, true]));
    }
}
