//! Letters by their names, and indices with a prime.

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

/// The letter of an index with a prime, j′: a fullwidth one, which no file writes for another.
pub(crate) fn primed(letter: char) -> Option<char> {
    let at = u32::from(letter).checked_sub(u32::from('a')).filter(|at| *at < 26)?;
    char::from_u32(u32::from('ａ') + at)
}

/// The letter without its prime.
pub(crate) fn unprimed(letter: char) -> Option<char> {
    let at = u32::from(letter).checked_sub(u32::from('ａ')).filter(|at| *at < 26)?;
    char::from_u32(u32::from('a') + at)
}

/// Whether it can be an index.
pub(crate) fn is_index(letter: char) -> bool {
    letter.is_ascii_lowercase() || unprimed(letter).is_some()
}

/// An index as it is printed.
pub(crate) fn index_name(letter: char) -> String {
    match unprimed(letter) {
        Some(letter) => format!("{letter}'"),
        None => letter.to_string(),
    }
}
