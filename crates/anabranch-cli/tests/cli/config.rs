//! Config files: what `init` and `train` write, what `--config` and `--set` read.

use crate::program::{Dir, QUICK, shapes};

fn tables() -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    dir.write("test.csv", shapes(20));
    dir.write("named.csv", shapes(90).replacen("size,colour", "\"size, cm\",\"a \"\"b\"\"\"", 1));
    dir
}

/// The hash of the weights of a run.
fn hash(dir: &Dir, flags: &str) -> String {
    let json = dir.json(&format!("train --out m --force {flags}"));
    json["weights_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_comes_back_from_its_config() {
    let dir = tables();
    let small = "--epochs 2 --hidden-a 6 --batch-size 16";
    for flags in [
        format!("--data t.csv {QUICK}"),
        format!("--data t.csv {QUICK} --seed 3 --lr 3e-3 --clip 0.5 --schedule step --dropout 0.3"),
        // What excludes flags that have a default.
        format!("--data t.csv {QUICK} --test test.csv --hidden 7,5 --lenient"),
        format!("--data t.csv --classify kind --regress price --regress size {small}"),
        format!("--data t.csv --regress price,size --drop colour --as size=category {small}"),
        format!(
            "--data t.csv {QUICK} --missing +3,4 --target-scale price=log1p --loss price=huber"
        ),
        "--epochs 2".to_owned(),
    ] {
        let by_flags = hash(&dir, &flags);
        std::fs::rename(dir.path("m/config.toml"), dir.path("run.toml")).unwrap();
        let config = dir.read("run.toml");
        assert_eq!(hash(&dir, "--config run.toml"), by_flags, "{flags}");
        assert_eq!(dir.read("m/config.toml"), config, "{flags}");
    }
    // Names that have to be quoted, which no list of words can hold.
    let named =
        ["--data", "named.csv", "--regress", r#""size, cm",price"#, "--drop", r#""a ""b""""#];
    let run = dir.command("train --epochs 2 --out n").args(named).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let model = dir.bytes("n/model.safetensors");
    dir.succeed("train --config n/config.toml --out again");
    assert_eq!(dir.bytes("again/model.safetensors"), model);
}

#[test]
fn flags_count_more_than_set_and_set_more_than_the_file() {
    let dir = tables();
    dir.write(
        "run.toml",
        "[data]\ndata = 't.csv'\n[[tasks]]\nregress = 'price'\n[[tasks]]\nclassify = 'kind'\n\
         [training]\nepochs = 3\nseed = 4\nbatch-size = 16\n[network]\nhidden = [7, 5]\n\
         [split]\ntest-fraction = 0.3\n",
    );
    let flags = "--data t.csv --batch-size 16 --hidden 7,5";
    let tasks = "--regress price --classify kind";
    for (over, all) in [
        ("", format!("{tasks} --epochs 3 --seed 4 --test-fraction 0.3")),
        ("--set training.epochs=2", format!("{tasks} --epochs 2 --seed 4 --test-fraction 0.3")),
        (
            "--set training.epochs=2 --epochs 4 --seed 1",
            format!("{tasks} --epochs 4 --seed 1 --test-fraction 0.3"),
        ),
        // One flag of the tasks stands for all of them; a test table for its fraction.
        (
            "--classify colour --set columns.lenient=true",
            "--classify colour --lenient --epochs 3 --seed 4 --test-fraction 0.3".into(),
        ),
        (
            "--set tasks.regress=size",
            "--regress size --epochs 3 --seed 4 --test-fraction 0.3".into(),
        ),
        ("--test test.csv", format!("{tasks} --epochs 3 --seed 4 --test test.csv")),
        ("--set split.test=test.csv", format!("{tasks} --epochs 3 --seed 4 --test test.csv")),
    ] {
        let expected = hash(&dir, &format!("{flags} {all}"));
        assert_eq!(hash(&dir, &format!("--config run.toml {over}")), expected, "{over}");
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    let dir = tables();
    for (text, message) in [
        (
            "[training]\nlr = \"fast\"",
            "line 2, column 1: invalid value 'fast' for '--lr <X>': expected a number, at least 0",
        ),
        (
            "[training]\n  epochs = -1",
            "line 2, column 3: invalid value '-1' for '--epochs <N>': expected a whole number, at least 1",
        ),
        (
            "[training]\nepochs = 0x10",
            "line 2, column 1: invalid value '0x10' for '--epochs <N>': expected a whole number, at least 1",
        ),
        (
            "[training]\nlr = true",
            "line 2, column 1: invalid value 'true' for '--lr <X>': expected a number, at least 0",
        ),
        ("[training]\nlr = [1]", "line 2, column 6: expected text or a number, found array"),
        (
            "[columns]\ndrop = { a = 1 }",
            "line 2, column 8: expected text, a number or a list, found table",
        ),
        ("[columns]\nlenient = 1", "line 2, column 11: expected true or false, found integer"),
        (
            "[training]\nepoch = 1",
            "line 2, column 1: there is no key \"epoch\" in [training]: did you mean epochs in [training]?",
        ),
        (
            "[training]\nbatch_size = 1",
            "line 2, column 1: there is no key \"batch_size\" in [training]: did you mean batch-size in [training]?",
        ),
        (
            "[network]\nlr = 1",
            "line 2, column 1: there is no key \"lr\" in [network]: it belongs in [training]",
        ),
        ("[training]\nout = 'm'", "line 2, column 1: there is no key \"out\" in [training]"),
        (
            "\n[trainin]\n",
            "line 2, column 2: there is no table [trainin]: did you mean [training]?; the tables are data, tasks, split, columns, network, training",
        ),
        ("lr = 1", "line 1, column 1: the key \"lr\" belongs in [training]"),
        ("training = 1", "line 1, column 12: expected a table"),
        ("[[tasks]]\nregress = 'a'\nregress = 'b'", "line 3, column 1: duplicate key"),
        (
            "[training]\noptimizer = 'adm'",
            "line 2, column 1: invalid value 'adm' for '--optimizer <NAME>' [possible values: sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion] tip: a similar value exists: 'adam'",
        ),
    ] {
        dir.write("run.toml", text);
        let run = dir.run("train --config run.toml --out m");
        assert_eq!((run.code, run.stderr), (2, format!("error: run.toml: {message}\n")), "{text}");
    }
    for (set, message) in [
        ("training.lr", "expected TABLE.KEY=VALUE, such as training.lr=0.01"),
        ("lr=1", "expected TABLE.KEY=VALUE, such as training.lr=0.01"),
        ("training.zzz=1", "there is no key \"zzz\" in [training]"),
        ("training.lr=-1", "invalid value '-1' for '--lr <X>': expected a number, at least 0"),
        ("columns.lenient=1", "expected true or false"),
    ] {
        let run = dir.run(&format!("train --set {set} --out m"));
        assert_eq!((run.code, run.stderr), (2, format!("error: --set {set}: {message}\n")));
    }
    let run = dir.run("train --config none.toml --json");
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (2, Some("read")));
    dir.write("run.toml", "[training]\nlr = -1");
    let run = dir.run("train --config run.toml --json");
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (2, Some("config")));
    assert!(!dir.path("m").exists());
}

#[test]
fn init_writes_what_train_reads() {
    let dir = tables();
    let flags = format!("--data t.csv {QUICK} --drop colour --seed 5 --lenient");
    let run = dir.succeed(&format!("init --out run.toml {flags}"));
    assert_eq!(run.stdout, "run.toml written: anabranch train --config run.toml\n");
    assert_eq!(hash(&dir, "--config run.toml"), hash(&dir, &flags));

    let text = dir.read("run.toml");
    // Each comment with a value is a key, and what was not given is what runs anyway.
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(key) if key.split(' ').nth(1) == Some("=") && !key.chars().any(char::is_uppercase) => {
            key
        }
        _ => line,
    });
    let all = lines.collect::<Vec<_>>().join("\n");
    assert!(all.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count() > 14);
    dir.write("all.toml", all);
    assert_eq!(hash(&dir, "--config all.toml"), hash(&dir, &flags));

    let run = dir.run(&format!("init --out run.toml {flags}"));
    let refused = "error: run.toml exists: choose another --out, or replace it with --force\n";
    assert_eq!((run.code, run.stderr.as_str()), (2, refused));
    dir.succeed(&format!("init --out run.toml {flags} --force"));
    let run = dir.run("init --out new.toml --data t.csv --classify shape");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(!dir.path("new.toml").exists());
    // Without targets, the columns are there to choose from.
    assert_eq!(dir.json("init --out new.toml --data t.csv")["out"], "new.toml");
    assert!(dir.read("new.toml").contains("\n# [[tasks]]\n# regress = "));
}

/// A table with a column of every kind.
fn columns_of_all_kinds() -> String {
    let mut text = String::from("id;price;\"a=b\";when;zip;site;state;on;mixed;none;part\n");
    for i in 0..80 {
        let site = ["oslo", "bergen", "5\"\" disk"][i % 3];
        let state = ["NA", "ZA", "BW", "KE"][i / 3 % 4];
        let on = ["yes", "No"][i / 2 % 2];
        let mixed = if i % 3 == 0 { "low".to_owned() } else { (i % 7).to_string() };
        let whole = if i % 9 > 0 { (i * 37 % 101).to_string() } else { String::new() };
        text += &format!(
            "{i};{i},5;{whole};{day}.{month}.2024;{zip:05};\"{site}\";{state};{on};{mixed};;{part}\n",
            day = i % 28 + 1,
            month = i % 12 + 1,
            zip = i % 5 * 501,
            part = if i % 4 == 0 { "1.0" } else { ["1", "2"][i % 2] },
        );
    }
    text
}

#[test]
fn init_names_the_kind_of_every_column_without_changing_any() {
    let dir = Dir::new();
    dir.write("t.csv", columns_of_all_kinds());
    let small = "--epochs 2 --hidden-a 6 --batch-size 16 --ensemble 1";
    let flags = format!("--data t.csv --regress price --classify state {small}");
    dir.succeed(&format!("init --out run.toml {flags}"));
    let text = dir.read("run.toml");
    for lines in [
        "    # not an input, as it numbers the rows: 80 of 80 cells are numbers; such as \"0\", \"1\", \"2\"\n    \
         # \"id=number\",\n",
        "    # to predict: 80 of 80 cells are numbers (decimal comma); such as \"0,5\", \"1,5\", \"2,5\"\n    \
         \"price=number\",\n",
        "    # 71 of 71 cells are numbers, which may be names too; 11.25 % missing; such as \"37\", \"74\", \"10\"\n    \
         # \"a=b=number\",\n",
        "    \"when=date:dmy\",\n",
        "    \"zip=text\",\n",
        "    \"site=text\",\n",
        "    \"state=text\",\n",
        "    \"on=category\",\n",
        "    \"mixed=text\",\n",
        "    # no cell has a value; 100.00 % missing\n    # \"none=category\",\n",
        "    # \"part=number\",\n",
    ] {
        assert!(text.contains(lines), "{lines}{text}");
    }
    let by_flags = hash(&dir, &flags);
    assert_eq!(hash(&dir, "--config run.toml"), by_flags);
    // A user says otherwise in this file alone.
    let other = text.replace("\"mixed=text\"", "\"mixed=number\"");
    dir.write("run.toml", other.replace("# \"id=number\"", "\"id=number\""));
    assert_ne!(hash(&dir, "--config run.toml"), by_flags);
    let schema: serde_json::Value = serde_json::from_str(&dir.read("m/schema.json")).unwrap();
    assert_eq!(
        (&schema["columns"][0]["left_out"], &schema["columns"][8]["kind"]),
        (&serde_json::Value::Null, &"number".into())
    );
}

/// Which numbers are names is found in training: the file does not say that they are none.
#[test]
fn init_leaves_names_in_numbers_open() {
    let dir = Dir::new();
    let mut text = String::from("person,x,y,kind\n");
    for i in 0..200 {
        let person = i / 5;
        text += &format!("{},{},{}.5,{}\n", 100 + person, i * 37 % 101, person * 17 % 41, i % 2);
    }
    dir.write("t.csv", text);
    let flags = "--data t.csv --regress y --classify kind --epochs 2 --hidden-a 6 --ensemble 1";
    dir.succeed(&format!("init --out run.toml {flags}"));
    let by_flags = hash(&dir, flags);
    assert_eq!(hash(&dir, "--config run.toml"), by_flags);
    let text = dir.read("run.toml").replace("# \"person=number\"", "\"person=number\"");
    dir.write("run.toml", text);
    assert_ne!(hash(&dir, "--config run.toml"), by_flags);
}

#[test]
fn a_gradient_is_checked_with_the_config_of_a_run() {
    let dir = tables();
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    let by_flags = dir.json(&format!("gradcheck --data t.csv {QUICK} --step 2"));
    assert_eq!(dir.json("gradcheck --config m/config.toml --step 2"), by_flags);
}
