//! Model files: what is written comes back; what is damaged is refused and never panics.

use std::fs;
use std::path::Path;

use anabranch_data::Table;
use anabranch_graph::{Join, TwoBranch};
use anabranch_train::{MODEL_FILE, Model, ModelError, model_path, weights_sha256};
use sha2::Digest as _;

use crate::grapes::{ensemble, model, table};

fn file(model: &Model) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    model.save(dir.path().join(MODEL_FILE)).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    assert_eq!(model_path(dir.path()), dir.path().join(MODEL_FILE));
    fs::read(dir.path().join(MODEL_FILE)).unwrap()
}

fn read(bytes: &[u8]) -> Result<Model, ModelError> {
    Model::from_bytes(Path::new("m"), bytes)
}

#[test]
fn a_model_comes_back_as_it_was() {
    let model = model();
    let bytes = file(&model);
    let back = read(&bytes).unwrap();
    assert_eq!(back.river(), model.river());
    assert_eq!(back.members(), model.members());
    assert_eq!((back.encoder(), back.targets()), (model.encoder(), model.targets()));
    let grapes = table(50);
    assert_eq!(back.predict_table(&grapes).unwrap(), model.predict_table(&grapes).unwrap());
    assert_eq!(file(&back), bytes);
}

/// SHA-256 of the bytes 00 00 80 3f 00 00 00 c0, by `sha256sum`.
#[test]
fn the_hash_is_over_little_endian_bytes() {
    assert_eq!(
        weights_sha256(&[1.0, -2.0]),
        "ee4ac73c2bd27756ab82780f27c73a7bc4d3f0bb6acb37e008bc27eccd7e588b"
    );
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let bytes = file(&model());
    let old = br#"{\"format\":3,"#;
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    let mut newer = bytes.clone();
    newer[at + old.len() - 2] = b'7';
    let error = read(&newer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "m has model format 7, but this program reads formats up to 6: use a newer anabranch"
    );
    // Whatever else a newer format holds.
    let mut newer = bytes;
    newer[at + old.len() - 2..at + old.len() + 5].copy_from_slice(br#"9,\"zz\"#);
    assert!(matches!(
        read(&newer),
        Err(ModelError::Newer { version: 9, .. } | ModelError::NotAModel { .. })
    ));
}

#[test]
fn every_part_of_a_file_is_too_little() {
    let bytes = file(&model());
    for len in 0..bytes.len() {
        let error = read(&bytes[..len]).unwrap_err();
        assert!(matches!(error, ModelError::NotAModel { .. }), "{len} bytes");
        let message = error.to_string();
        assert!(message.contains(&format!("cut short: it has {len} bytes of ")), "{message}");
    }
    let error = read(&[&bytes[..], b"x"].concat()).unwrap_err().to_string();
    let (found, expected) = (bytes.len() + 1, bytes.len());
    assert!(error.contains(&format!("it has {found} bytes, expected {expected}")), "{error}");
    let error = read(b"size,price\n1,2\n").unwrap_err().to_string();
    assert!(error.contains("it does not begin with the length of its metadata"), "{error}");
}

#[test]
fn every_flipped_bit_is_refused() {
    let mut bytes = file(&model());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(read(&bytes).is_err(), "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
    read(&bytes).unwrap();
}

/// The checksum by its definition, with Python's hashlib in mind: the digits are found, replaced by
/// zeros, and all of it is hashed at once.
#[test]
fn the_checksum_is_over_all_bytes() {
    let mut bytes = file(&model());
    let key = br#"\"sha256\":\""#;
    let at = bytes.windows(key.len()).position(|part| part == key).unwrap() + key.len();
    let digits = String::from_utf8(bytes[at..at + 64].to_vec()).unwrap();
    bytes[at..at + 64].fill(b'0');
    let digest = sha2::Sha256::digest(&bytes);
    assert_eq!(digits, digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

/// Neither waits, nor takes memory for what its metadata only claim.
#[test]
#[cfg(unix)]
fn what_is_no_regular_file_or_too_short_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let (pipe, sparse) = (dir.path().join("pipe"), dir.path().join("sparse"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = Model::load(&pipe).unwrap_err().to_string();
    assert!(error.contains("it is not a regular file"), "{error}");
    let file = fs::File::create(&sparse).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(Model::load(&sparse), Err(ModelError::NotAModel { .. })));
}

/// Each member, and each snapshot of it, comes back under its own names.
#[test]
fn ensembles_and_snapshots_come_back() {
    let ensemble = ensemble();
    let bytes = file(&ensemble);
    let back = read(&bytes).unwrap();
    assert_eq!(back.members(), ensemble.members());
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    let of_member = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    let all = names.len();
    assert_eq!([of_member("member.0.fc1a."), of_member("member.1.best.a.fc1a.")], [2, 2]);
    assert_eq!(of_member("member.0.") * 3, all, "{names:?}");
    assert_eq!(of_member("member.1.best.b.") * 3, all, "{names:?}");
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let error = model().save(dir.path().join("none/m")).unwrap_err();
    assert!(matches!(error, ModelError::Io { action: "write", .. }), "{error}");
    // A directory has the name.
    fs::create_dir(dir.path().join("m")).unwrap();
    model().save(dir.path().join("m")).unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// What a file's model predicts of rows: alcohol, mass, and how likely they are sour.
fn predicts(bytes: &[u8], rows: &Table, expected: [[f64; 3]; 3]) -> Model {
    let model = read(bytes).unwrap();
    let (predictions, _) = model.predict_table(rows).unwrap();
    for (row, [alcohol, mass, sour]) in expected.into_iter().enumerate() {
        let prediction = predictions.row(row);
        // Sums in f32, which other vector instructions may order otherwise.
        for (value, expected) in prediction.values(0).iter().zip([alcohol, mass]) {
            assert!((value / expected - 1.0).abs() < 1e-6, "{value} {expected}");
        }
        assert!((f64::from(prediction.probabilities(1)[0]) - sour).abs() < 1e-6);
    }
    model
}

/// A file of format 1, as the program wrote it before rivers, and what the program predicted then.
#[test]
fn format_1_loads_and_predicts_as_it_did() {
    let expected = [
        [11.331172801052366, 12.50569524524796, 0.6679767],
        [13.112417488130323, 10.87529888843922, 0.52054447],
        [24.147631281709373, 10.81363381728384, 0.38841626],
    ];
    let bytes = include_bytes!("../fixtures/format-1.safetensors");
    let model = predicts(bytes, &table(3), expected);
    // Saved again, it has the present format.
    assert_eq!(read(&file(&model)).unwrap().river(), model.river());
}

/// A file of format 2, as the program wrote it before ensembles, and what the program predicted
/// then.
#[test]
fn format_2_loads_and_predicts_as_it_did() {
    let expected = [
        [14.434281083920567, 13.402403002202913, 0.5401525],
        [16.505496640645426, 11.154575670147448, 0.8642552],
        [33.03258318402507, 11.522938919826299, 0.9479951],
    ];
    predicts(include_bytes!("../fixtures/format-2.safetensors"), &table(3), expected);
}

/// An ensemble of format 3, as the program wrote it before models told of their runs, and what the
/// program predicted then.
#[test]
fn format_3_loads_and_predicts_as_it_did() {
    let expected = [
        [12.13211649143394, 11.45111924335598, 0.7165483],
        [12.677047831320927, 11.519510705840188, 0.62066036],
        [15.016988371825006, 9.786065987898295, 0.13865788],
    ];
    let bytes = include_bytes!("../fixtures/format-3.safetensors");
    let model = predicts(bytes, &table(3), expected);
    assert_eq!((model.members().len(), model.run_record()), (2, None));
    assert_eq!(file(&model), bytes);
}

/// A network and linear models of format 4, as the program wrote it before statistics of targets,
/// and what the program predicted then.
#[test]
fn format_4_loads_and_predicts_as_it_did() {
    let expected = [
        [3.6180082295685985, 11.45855161463071, 0.95005894],
        [14.28857850437106, 11.241676302400165, 0.6263346],
        [26.96629869780871, 12.509270275674803, 0.23761374],
    ];
    let bytes = include_bytes!("../fixtures/format-4.safetensors");
    let model = predicts(bytes, &table(3), expected);
    assert_eq!(model.blend().unwrap().shares(), [0.75, 0.75]);
    assert_eq!(file(&model), bytes);
}

/// A model of format 5, with statistics of targets, as the program wrote it, and what the program
/// predicted of two categories and of one that it had never seen.
#[test]
fn format_5_loads_and_predicts_as_it_did() {
    let expected = [
        [2.208003798357664, 10.733122167559573, 0.9870187],
        [13.513336775588973, 12.356160974280757, 0.8388711],
        [22.697472413681616, 11.32886600546036, 0.3065761],
    ];
    let bytes = include_bytes!("../fixtures/format-5.safetensors");
    let csv = "sugar,colour,parcel\n0,white,p0\n11,red,p1\n22,white,never\n";
    let rows = Table::from_reader("grapes", csv.as_bytes()).unwrap();
    let model = predicts(bytes, &rows, expected);
    assert_eq!(file(&model), bytes);
}

/// A model of format 6, with numbers that are names, as the program wrote it, and what the program
/// predicted of two of them and of one that it had never seen.
#[test]
fn format_6_loads_and_predicts_as_it_did() {
    let expected = [
        [5.655428316458579, 9.794538347248325, 0.97982645],
        [39.479357838077966, 10.731608429624774, 0.5606958],
        [30.428597977379304, 10.837934643581326, 0.091592],
    ];
    let bytes = include_bytes!("../fixtures/format-6.safetensors");
    let csv = "sugar,colour,parcel\n0,white,100\n11,red,117\n22,white,640\n";
    let rows = Table::from_reader("grapes", csv.as_bytes()).unwrap();
    let model = predicts(bytes, &rows, expected);
    assert_eq!(file(&model), bytes);
}

#[test]
fn what_is_told_of_a_run_comes_back() {
    let mut model = model();
    let plain = file(&model);
    let record =
        serde_json::json!({ "config": "lr = 1\n", "seeds": [u64::MAX], "r2": [0.1, null] });
    model.record_run(&record);
    let bytes = file(&model);
    let back = read(&bytes).unwrap();
    assert_eq!(back.run_record(), Some(record));
    assert_eq!((back.members(), file(&back)), (model.members(), bytes));
    assert_eq!(read(&plain).unwrap().run_record(), None);
}

/// Each setting of a file of format 1 comes back, also where it is not the usual one.
#[test]
fn format_1_keeps_every_setting() {
    let mut bytes = include_bytes!("../fixtures/format-1.safetensors").to_vec();
    // Other numbers of the same length, so that the header keeps its own.
    for (setting, usual, other) in [
        ("dropout", "0.05", "0.35"),
        ("bn_eps", "0.00001", "0.00100"),
        ("bn_momentum", "0.1", "0.3"),
        ("weight_a", "1.0", "2.5"),
        ("weight_b", "1.0", "0.5"),
    ] {
        let [old, new] = [usual, other].map(|value| format!("\\\"{setting}\\\":{value}"));
        let place = bytes.windows(old.len()).position(|part| part == old.as_bytes()).unwrap();
        bytes[place..place + new.len()].copy_from_slice(new.as_bytes());
    }
    let model = read(&bytes).unwrap();
    let outputs = |task: usize| model.targets().tasks()[task].outputs();
    let (inputs, outputs_a, classes) = (model.encoder().width(), outputs(0), outputs(1));
    let network = TwoBranch {
        dropout: 0.35,
        bn_eps: 1e-3,
        bn_momentum: 0.3,
        weight_a: 2.5,
        weight_b: 0.5,
        join: Join::Project,
        ..TwoBranch::new(inputs, 4, outputs_a, 3, classes)
    };
    assert_eq!(*model.river(), network.river());
}
