//! What a derivation defines, with the letters of its use: `g_j` after `g_i = …`.

use super::Reader;
use crate::expr::{Expr, Slot};
use crate::latex::layout::Place;
use crate::latex::symbols::Letter;

impl Reader<'_> {
    /// A definition with other letters in place of its own. Those that it does not have pick from
    /// its value.
    pub(super) fn defined(
        &mut self,
        expr: &Expr,
        own: &[char],
        letters: &[Letter],
        place: Place,
    ) -> Expr {
        let slots = [Slot::Sample, Slot::Component];
        let slot =
            |name: &char| slots.into_iter().find(|slot| expr.unbound_letters(*slot).contains(name));
        let mut rest = letters.to_vec();
        let mut names = Vec::new();
        for (i, name) in own.iter().enumerate() {
            let Some(slot) = slot(name) else { continue };
            // As many letters as in the definition stand for those in their order.
            let same = letters.get(i).filter(|_| own.len() == letters.len());
            let is_new = |letter: &&Letter| !self.slots.contains_key(&letter.name);
            if let Some(letter) = same.filter(is_new) {
                self.slots.insert(letter.name, slot);
            }
            let all = same.into_iter().chain(letters);
            let of_slot = all.copied().filter(|letter| rest.contains(letter));
            if let Some(letter) = of_slot.into_iter().find(|letter| self.slot(*letter) == slot) {
                rest.retain(|other| *other != letter);
                names.push((*name, letter.name));
            }
        }
        self.entry(expr.renamed(&names), &rest, place)
    }
}
