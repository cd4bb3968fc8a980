//! Lines of JSON, as `anabranch predict` reads them from standard input.

use std::path::Path;
use std::sync::LazyLock;

use anabranch::train::Model;
use serde_json::{Map, Value};

/// A model with numbers, categories, truth values and dates, some of them missing.
static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let file = include_bytes!("../corpus/model_file/kinds.safetensors");
    Model::from_bytes(Path::new("kinds"), file).expect("the seed is a model file")
});

/// Predicts every line that is an object with the columns of the model.
pub fn run(bytes: &[u8]) {
    let mut prediction = MODEL.prediction();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(record) = serde_json::from_slice::<Map<String, Value>>(line) else { continue };
        let Ok(notes) = MODEL.predict_record(&record, &mut prediction) else { continue };
        // No line is predicted otherwise for what came before it.
        let mut alone = MODEL.prediction();
        assert_eq!(MODEL.predict_record(&record, &mut alone), Ok(notes));
        assert_eq!(prediction, alone);
        for task in 0..MODEL.targets().tasks().len() {
            let probabilities = prediction.probabilities(task);
            let sum: f32 = probabilities.iter().sum();
            // Rounded in single precision.
            assert!(probabilities.is_empty() || (sum - 1.0).abs() < 1e-5, "{probabilities:?}");
            assert!(prediction.values(task).iter().all(|value| value.is_finite()), "{line:?}");
        }
    }
}
