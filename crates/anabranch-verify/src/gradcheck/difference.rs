//! Central differences of the production loss.

use super::production::Production;

/// Steps, times max(1, |v|) for a parameter v. Rounding of the loss asks for a large one, curvature for a small one: a
/// BatchNorm unit whose σ is near √ε bends within 1e-3.
const STEPS: [f64; 3] = [1e-3, 1e-4, 1e-5];

impl Production<f64> {
    /// dL/d(parameter `index`) by central differences; `None` if a ReLU switches at every step: the loss has a kink
    /// there, and no quotient across it says anything about the derivative.
    ///
    /// With D(h) = (L(v+h) − L(v−h))/2h = L′ + ch² + O(h⁴), Richardson's (4D(h/2) − D(h))/3 is exact to O(h⁴), and
    /// |D(h/2) − D(h)| tells by how much its parts are off, by truncation and rounding alike. The step where that is
    /// smallest decides. `active` are the ReLUs that are on at the parameters themselves.
    pub(super) fn difference(&mut self, index: usize, active: &[bool]) -> Option<f64> {
        let v = self.params_mut()[index];
        let estimates = STEPS.map(|step| {
            let h = step * v.abs().max(1.0);
            let whole = self.quotient(index, v, h, active)?;
            let half = self.quotient(index, v, h / 2.0, active)?;
            Some(((half - whole).abs(), (4.0 * half - whole) / 3.0))
        });
        self.params_mut()[index] = v;
        let best = estimates.into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, derivative)| derivative)
    }

    /// D(h) at parameter `index`, whose value is `v`, if no ReLU switches.
    fn quotient(&mut self, index: usize, v: f64, h: f64, active: &[bool]) -> Option<f64> {
        let (above, below) = (v + h, v - h);
        let mut loss_at = |value: f64| {
            self.params_mut()[index] = value;
            let loss = self.loss();
            self.is_active_as(active).then_some(loss)
        };
        // Divided by what was really added and taken away, after rounding.
        Some((loss_at(above)? - loss_at(below)?) / (above - below))
    }
}
