//! What a model file tells of the run that trained the model.

use serde_json::{Map, Value, json};

/// The program that ran it.
const PROGRAM: &str = concat!("anabranch ", env!("CARGO_PKG_VERSION"));

/// The parts of `summary.json` that every repetition of the run comes to.
const SUMMARY: [&str; 6] = ["rows", "train_rows", "test_rows", "tasks", "members", "test"];

/// Longer parts, in bytes, stay in the files of the run alone.
const LONGEST: usize = 1 << 20;

/// The record of a run: program, settings, hash of the data, schema, a summary, and the certificate
/// of its gradient if there is one; `null` for what is too long.
pub(crate) fn of(config: &str, schema: &Value, json: &Value) -> Value {
    // Without what its comments say of each setting.
    let settings = config.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let settings = settings.collect::<Vec<&str>>().join("\n");
    let summary = SUMMARY.iter().map(|key| ((*key).to_owned(), json[*key].clone()));
    let mut record = json!({
        "program": PROGRAM,
        "config": short(settings.into()),
        "data_sha256": json["data_sha256"],
        "schema": short(schema.clone()),
        "summary": short(summary.collect::<Map<_, _>>().into()),
    });
    if let Some(certificate) = json.get("certificate") {
        record["certificate"] = short(certificate.clone());
    }
    record
}

fn short(part: Value) -> Value {
    if part.to_string().len() <= LONGEST { part } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_left_out() {
        let text = |len| Value::from("a".repeat(len));
        // With its quotation marks.
        assert_eq!(short(text(LONGEST - 2)), text(LONGEST - 2));
        assert_eq!(short(text(LONGEST - 1)), Value::Null);
    }
}
