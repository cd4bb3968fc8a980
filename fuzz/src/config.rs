//! Config files of `train` and `sweep`.

/// Reads the bytes, if they are text, and looks at what the program would say about them.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(message) = anabranch_cli::check_config(text) {
        // Nothing from a file reaches the terminal as it is.
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}
