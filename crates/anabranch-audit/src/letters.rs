//! Letters by their names.

/// The name of a Greek letter.
pub(crate) fn greek(c: char) -> Option<&'static str> {
    Some(match c {
        'α' => "alpha",
        'β' => "beta",
        'γ' => "gamma",
        'δ' => "delta",
        'ε' | 'ϵ' => "epsilon",
        'η' => "eta",
        'θ' | 'ϑ' => "theta",
        'λ' => "lambda",
        'μ' | 'µ' => "mu",
        'σ' => "sigma",
        'φ' => "phi",
        'Θ' => "Theta",
        'Δ' => "Delta",
        _ => return None,
    })
}
