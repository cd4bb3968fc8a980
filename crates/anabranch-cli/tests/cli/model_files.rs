//! Files that are not models, or are models of another version.

use crate::program::{Dir, QUICK, shapes};

#[test]
fn what_is_no_model_is_refused() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    let model = dir.bytes("m/model.safetensors");
    let refused = |path: &str, start: &str| {
        for command in ["evaluate", "predict --out p.csv"] {
            let run = dir.run(&format!("{command} --data t.csv --model {path}"));
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
            assert!(run.stderr.starts_with(&format!("error: {start}")), "{}", run.stderr);
            assert_eq!(run.stderr.lines().count(), 1);
            assert!(!dir.path("p.csv").exists());
        }
    };
    refused("none", "cannot read none: ");
    std::fs::create_dir(dir.path("empty")).unwrap();
    refused("empty", "cannot read empty/model.safetensors: ");
    refused("t.csv", "t.csv is not a model file: ");
    for (name, bytes) in [
        ("nothing", &[][..]),
        ("zeros", &[0; 64]),
        ("ones", &[0xff; 64]),
        ("cut", &model[..model.len() - 1]),
        ("more", &[&model[..], &[0]].concat()),
    ] {
        dir.write(name, bytes);
        refused(name, &format!("{name} is not a model file: "));
    }
    // The header is JSON in JSON, its quotation marks escaped.
    let header = br#"{\"format\":4,"#;
    let at = model.windows(header.len()).position(|window| window == header).unwrap();
    let newer = [&model[..at], br#"{\"format\":7,"#, &model[at + header.len()..]].concat();
    dir.write("newer", newer);
    refused(
        "newer",
        "newer has model format 7, but this program reads formats up to 6: use a newer anabranch",
    );
}
