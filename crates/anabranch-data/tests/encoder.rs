//! What cells become: every rule of the encoding, on small tables.

use anabranch_data::{
    AskedKind, Cell, ColumnRules, Encoded, Encoder, Mark, MissingColumn, RowError, RowNotes, Table,
    Warning,
};
use anabranch_tensor::Executor;

fn table(csv: &str) -> Table {
    Table::from_reader("t.csv", csv.as_bytes()).unwrap()
}

fn all_rows(table: &Table) -> Vec<usize> {
    (0..table.n_rows()).collect()
}

/// Fits on all rows of `csv`.
fn fit(csv: &str) -> (Encoder, Vec<String>) {
    let table = table(csv);
    let (encoder, warnings) =
        Encoder::fit::<&str>(&Executor::serial(), &table, &all_rows(&table), &[]).unwrap();
    (encoder, warnings.iter().map(Warning::to_string).collect())
}

/// Encodes all rows of `csv`: the numbers, and the warnings.
fn encode(encoder: &Encoder, csv: &str) -> (Vec<f64>, Vec<String>) {
    let table = table(csv);
    let Encoded { x, warnings } =
        encoder.encode(&Executor::serial(), &table, &all_rows(&table)).unwrap();
    (x, warnings.iter().map(Warning::to_string).collect())
}

#[test]
fn numbers_are_standardised_on_the_training_rows_alone() {
    // Rows 0 to 7 train: mean 5, population standard deviation 2. The last row must not count.
    let table = table("n\n2\n4\n4\n4\n5\n5\n7\n9\n1000\n");
    let (encoder, warnings) =
        Encoder::fit::<&str>(&Executor::serial(), &table, &[0, 1, 2, 3, 4, 5, 6, 7], &[]).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(encoder.feature_names(), ["n"]);
    let encoded = encoder.encode::<f32>(&Executor::serial(), &table, &[7, 0, 8]).unwrap();
    // 1000 is taken to be 9 + (9 − 2), as far outside of what trained as that is wide.
    assert_eq!(encoded.x, [2.0, -1.5, 5.5]);
    assert_eq!(
        encoded.warnings[0].to_string(),
        "column \"n\": values far outside what training saw: 1 of 3 (the first on line 10: \"1000\"): predictions for \
         them are guesses"
    );
}

#[test]
fn numbers_far_outside_are_believed_as_far_as_the_range_is_wide_on_both_sides() {
    // Mean 5, population standard deviation 2, from 2 to 9: −5 and 16 are the last believed.
    let (encoder, _) = fit("n\n2\n4\n4\n4\n5\n5\n7\n9\n");
    assert_eq!(encoder.input_columns()[0].encoding.believed_range(), Some([-5.0, 16.0]));
    let (x, _) = encode(&encoder, "n\n-1000\n-5\n-4\n15\n16\n1000\n");
    assert_eq!(x, [-5.0, -5.0, -4.5, 5.0, 5.5, 5.5]);
}

#[test]
fn missing_numbers_are_the_median_beside_an_indicator() {
    // Of 0, 2 and 10: median 2, mean 4, variance (16 + 4 + 36)/3.
    let (encoder, _) = fit("n,k\n0,1\nNA,2\n10,3\n2,2\nnull,2\n");
    let std = (56.0f64 / 3.0).sqrt();
    assert_eq!(encoder.feature_names(), ["n", "n is missing", "k"]);
    let (x, warnings) = encode(&encoder, "k,n\n2,10\n2,\n2, nan \n");
    let missing = [-2.0 / std, 1.0, 0.0];
    assert_eq!(x, [[6.0 / std, 0.0, 0.0], missing, missing].concat());
    assert!(warnings.is_empty());
    // Training saw no missing k: it is the median, 2, which is also the mean.
    assert_eq!(encode(&encoder, "n,k\n4,\n").0, [0.0, 0.0, 0.0]);
}

#[test]
fn cells_that_are_no_numbers_count_as_missing_with_a_warning() {
    let body: String = (0..200).map(|i| format!("{}\n", i % 2)).collect();
    let csv = format!("n\n{body}abc\ndef\n");
    let (encoder, warnings) = fit(&csv);
    assert!(warnings.is_empty(), "cells are warned about where they are encoded, once");
    assert_eq!(encoder.feature_names(), ["n", "n is missing"]);
    let (x, warnings) = encode(&encoder, &csv);
    // Median and mean are 1/2.
    assert_eq!(x[400..], [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(
        warnings,
        [
            r#"column "n": cells that are not numbers: 2 of 202 (the first on line 202: "abc"): counted as missing"#
        ]
    );
}

#[test]
fn text_is_one_hot_and_missing_a_category_of_its_own() {
    let (encoder, warnings) = fit("c,d\nred,x\n blue ,y\n,x\nred,y\nblue,x\n");
    assert!(warnings.is_empty());
    assert_eq!(encoder.feature_names(), ["c=blue", "c=red", "c is missing", "d=x", "d=y"]);
    let (x, warnings) = encode(&encoder, "c,d\nblue,x\nred,y\nNaN,x\n");
    assert_eq!(x, [[1., 0., 0., 1., 0.], [0., 1., 0., 0., 1.], [0., 0., 1., 1., 0.]].concat());
    assert!(warnings.is_empty());
}

#[test]
fn unseen_categories_are_zeros_and_counted() {
    let (encoder, _) = fit("c,d\na,x\nb,y\n");
    // Training saw no missing d: that is unseen too.
    let (x, warnings) = encode(&encoder, "c,d\na,y\nB,x\nz,\n");
    assert_eq!(x, [[1., 0., 0., 1.], [0., 0., 1., 0.], [0., 0., 0., 0.]].concat());
    assert_eq!(
        warnings,
        [
            "column \"c\": cells with a category that training saw rarely or never: 2 of 3 (the first on line 3: \"B\"): \
             encoded as different from all known ones",
            "column \"d\": missing values, of which training had none: 1 of 3 (the first on line 4: \"\"): encoded as zeros"
        ]
    );
    // Categories come from the training rows, not from the table.
    let table = table("c\na\nb\nz\n");
    let (encoder, _) = Encoder::fit::<&str>(&Executor::serial(), &table, &[0, 1], &[]).unwrap();
    assert_eq!(encoder.feature_names(), ["c=a", "c=b"]);
}

#[test]
fn columns_that_say_nothing_are_left_out_or_warned_about() {
    let row = |i: usize| format!("v{i},{},,7,k,{},{i}\n", i % 2, (i * 7) % 10);
    let rows: String = (0..51).map(row).collect();
    let (encoder, warnings) = fit(&format!("text,half,empty,constant,one,n,row\n{rows}"));
    let left_out = "left out (name it in --as to use it anyway)";
    assert_eq!(
        warnings,
        [
            format!(
                r#"column "text" has another value in every row, as an identifier: {left_out}"#
            ),
            r#"column "empty" has no values: left out"#.to_owned(),
            format!(r#"column "row" numbers the rows: {left_out}"#),
            r#"column "constant" has one value in all training rows: nothing to learn"#.to_owned(),
            r#"column "one" has one value in all training rows: nothing to learn"#.to_owned(),
        ]
    );
    assert_eq!(encoder.feature_names(), ["half", "constant", "one=k", "n"]);
    let (x, _) = encode(&encoder, "half,constant,one,n\n1,7,k,2\n1,9,k,2\n");
    // A constant column has deviation 1: its own value is 0, another one finite.
    assert_eq!((x[1], x[1 + 4]), (0.0, 2.0));
    // One number or nothing: that it is missing still tells rows apart.
    assert_eq!(fit("n,c\n7,k\n,\n7,k\n").1, [""; 0]);
    // A column with values, but none in the training rows.
    let table = table("n,c,k\n,,1\n,,2\n5,a,3\n");
    let (encoder, warnings) =
        Encoder::fit::<&str>(&Executor::serial(), &table, &[0, 1], &[]).unwrap();
    assert_eq!((encoder.feature_names(), warnings.len()), (vec!["k".to_owned()], 2));
}

#[test]
fn targets_are_no_inputs_and_some_input_must_be_left() {
    let table = table("a, b ,c\n1,2,x\n2,3,y\n");
    let (encoder, _) = Encoder::fit(&Executor::serial(), &table, &[0, 1], &["b", "c"]).unwrap();
    assert_eq!(encoder.feature_names(), ["a"]);
    assert_eq!(
        Encoder::fit(&Executor::serial(), &table, &[0, 1], &["a", "b", "c"])
            .unwrap_err()
            .to_string(),
        "t.csv: no input columns are left beside the targets: add a column with numbers or categories"
    );
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let (encoder, _) = fit("n,c\n1,a\n2,b\n");
    let error = |csv: &str| {
        encoder.encode::<f32>(&Executor::serial(), &table(csv), &[0]).unwrap_err().to_string()
    };
    assert_eq!(
        error("x,n\n1,2\n"),
        r#"t.csv: no column "c", an input of the model: the columns found are "x", "n""#
    );
    let range = |cell, problem| {
        format!(
            "t.csv: line 2: column \"n\" holds \"{cell}\", which {problem}: correct the cell or leave it empty"
        )
    };
    let far = "lies more than a million standard deviations from what training saw";
    assert_eq!(error("c,n\na, Infinity\n"), range("Infinity", "is infinite or beyond 1e100"));
    // Within the limit, but no network makes sense of it.
    assert_eq!(error("c,n\na,1e50\n"), range("1e50", far));
    let too_large =
        Encoder::fit::<&str>(&Executor::serial(), &table("n\n1\ninf\n"), &[0], &[]).unwrap_err();
    assert!(too_large.to_string().starts_with("t.csv: line 3: column \"n\" holds \"inf\", which "));
}

#[test]
fn of_all_numbers_out_of_range_the_first_row_s_first_is_named() {
    let (encoder, _) = fit("a,b,c\n1,2,3\n2,1,5\n");
    for (csv, place) in [
        ("a,b,c\n1,1,1\n1,1,inf\ninf,1,1\n1,inf,1\n", "line 3: column \"c\""),
        ("a,b,c\ninf,1,1\n1,inf,1\n1,1,inf\n", "line 2: column \"a\""),
        ("a,b,c\n1,1,1\n1,inf,inf\n", "line 3: column \"b\""),
    ] {
        let table = table(csv);
        let rows: Vec<usize> = (0..table.n_rows()).collect();
        let error = encoder.encode::<f32>(&Executor::serial(), &table, &rows).unwrap_err();
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn a_row_alone_is_encoded_as_in_a_table() {
    let csv = "n,c\n1,a\n,b\n3,\nx,z\n";
    let (encoder, _) = fit("n,c\n1,a\n2,b\n,\n");
    let (expected, _) = encode(&encoder, csv);
    let width = encoder.width();
    let notes =
        |unseen_categories, unreadable| RowNotes { unseen_categories, unreadable, outside: 0 };
    let rows: [([Cell; 2], RowNotes); 4] = [
        ([1.0.into(), "a".into()], notes(0, 0)),
        ([Cell::Number(f64::NAN), " b".into()], notes(0, 0)),
        (["3".into(), Cell::Missing], notes(0, 0)),
        (["x".into(), "z".into()], notes(1, 1)),
    ];
    for ((cells, notes), expected) in rows.iter().zip(expected.chunks(width)) {
        let mut x = vec![9.0; width];
        assert_eq!(encoder.encode_row(cells, &mut x).unwrap(), *notes);
        assert_eq!(x, expected);
        x.fill(9.0);
        let fields = [("c", cells[1]), ("ignored", Cell::Missing), (" n", cells[0])];
        assert_eq!(encoder.encode_fields(&fields, &mut x).unwrap(), *notes);
        assert_eq!(x, expected);
    }
}

#[test]
fn a_number_is_a_label_among_numbers() {
    let table = table("c\n17\n4.0\n17\n4.0\n");
    let mut rules = table.rules().clone();
    rules.kinds.push(("c".into(), AskedKind::Category));
    let (encoder, _) =
        Encoder::fit::<&str>(&Executor::serial(), &table.with_rules(rules), &[0, 1, 2, 3], &[])
            .unwrap();
    for (cell, expected) in [(17.0, [1.0, 0.0]), (4.0, [0.0, 1.0]), (5.0, [0.0, 0.0])] {
        let mut x = [9.0_f32; 2];
        let notes = encoder.encode_row(&[Cell::Number(cell)], &mut x).unwrap();
        assert_eq!(x, expected, "{cell}");
        assert_eq!(notes.unseen_categories, usize::from(expected == [0.0, 0.0]));
    }
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let (encoder, _) = fit("n,c\n1,a\n2,b\n");
    let mut x = [0.0f32; 3];
    let error = |cells: &[Cell], x: &mut [f32]| encoder.encode_row(cells, x).unwrap_err();
    assert_eq!(
        error(&[Cell::Missing], &mut x).to_string(),
        "a row of 1 cells: expected 2, one for each input column in order"
    );
    assert_eq!(
        error(&[Cell::Missing; 2], &mut x[..2]).to_string(),
        "an output of 2 numbers: expected 3, the encoder's width"
    );
    for (number, problem) in [
        (Cell::Number(f64::INFINITY), "is infinite or beyond 1e100"),
        (Cell::Text("-inf"), "is infinite or beyond 1e100"),
        (Cell::Number(1e99), "lies more than a million standard deviations from what training saw"),
    ] {
        assert_eq!(
            error(&[number, Cell::Missing], &mut x).to_string(),
            format!(
                "column \"n\" holds a number that {problem}: correct it, or give it as missing"
            )
        );
    }
    assert_eq!(
        error(&[Cell::Number(1.0), Cell::Number(1.0)], &mut x).to_string(),
        "column \"c\" holds categories or dates, but a number was given: give it as text"
    );
    assert_eq!(
        encoder.encode_fields(&[("n", Cell::Missing)], &mut x),
        Err(RowError::MissingField { column: "c".into() })
    );
}

#[test]
fn what_is_stored_comes_back_equal() {
    let (encoder, _) = fit("n,c,k\n0.1,a,1e-7\n,b,3.3333333333333335\n0.7,,-12345678.9\n");
    let json = serde_json::to_string(&encoder).unwrap();
    assert_eq!(serde_json::from_str::<Encoder>(&json).unwrap(), encoder);
    assert_eq!(encoder.input_columns()[0].name, "n");
    assert!(json.starts_with(r#"[{"name":"n","kind":"numeric","mean":0.4,"std":"#));
}

#[test]
fn stored_encoders_are_checked() {
    const MEAN: &str = "a mean, median or deviation that is not finite or not positive";
    let numeric = |mean: &str, std: &str| {
        format!(
            r#"[{{"name":"n","kind":"numeric","mean":{mean},"std":{std},"median":1,"missing":"absent"}}]"#
        )
    };
    let categories = |list: &str| {
        format!(r#"[{{"name":"c","kind":"categorical","categories":{list},"missing":"present"}}]"#)
    };
    let by_targets = |values: &str| {
        format!(
            r#"[{{"name":"c","kind":"target_statistics","categories":["a","b"],"statistics":{{"of":["y","z"],"values":{values}}},"missing":"present"}}]"#
        )
    };
    let named = |names: &str| {
        format!(
            r#"[{{"name":"c","kind":"named_number","number":{{"kind":"numeric","mean":0,"std":1,"median":1,"missing":"present"}},"names":{names}}}]"#
        )
    };
    let hot = |list: &str, labels: &str, missing: &str| {
        named(&format!(
            r#"{{"kind":"categorical","categories":{list},"labels":"{labels}","missing":"{missing}"}}"#
        ))
    };
    const NAMES: &str = "a number with names of which one is no number, or the other none";
    let width = |json: &str| serde_json::from_str::<Encoder>(json).unwrap().width();
    assert_eq!(width(&hot(r#"["1","2"]"#, "numbers", "absent")), 4);
    assert_eq!(width(&categories(r#"["a","b"]"#)), 3);
    assert_eq!(width(&by_targets("[0,1,2,3,4,5]")), 3);
    let twice = numeric("0", "1").replace("}]", "},") + &numeric("0", "1")[1..];
    for (json, problem) in [
        ("[]".to_owned(), "an encoder without input columns"),
        (numeric("0", "0"), MEAN),
        (numeric("0", "-1"), MEAN),
        (numeric("1e101", "1"), MEAN),
        (
            numeric("0", "1").replace(r#""n""#, r#""""#),
            "a column name that is empty or has space around it",
        ),
        (twice, "two input columns of this name"),
        (categories("[]"), "no categories, or too many"),
        (categories(r#"["b","a"]"#), "categories out of order"),
        (categories(r#"["a","a"]"#), "categories out of order"),
        (by_targets("[0,1,2,3,4]"), "statistics that do not fit the categories"),
        (by_targets("[0,1,2,3,4,1e300]"), "statistics that do not fit the categories"),
        (hot(r#"["1","a"]"#, "numbers", "absent"), NAMES),
        (hot(r#"["1","2"]"#, "text", "absent"), NAMES),
        (hot(r#"["1","2"]"#, "numbers", "present"), NAMES),
        (hot(r#"["2","1"]"#, "numbers", "absent"), "categories out of order"),
        (named(&numeric("0", "1")[1..].replace(r#""name":"n","#, "").replace("}]", "}")), NAMES),
        (hot(r#"["1"]"#, "numbers", "absent").replace(r#""std":1"#, r#""std":0"#), MEAN),
        (by_targets("[]"), "statistics that do not fit the categories"),
    ] {
        let error = serde_json::from_str::<Encoder>(&json).unwrap_err().to_string();
        assert!(error.contains(problem), "{json}: {error}");
        assert!(error.contains(": the file is damaged, write it again"), "{error}");
    }
    assert!(serde_json::from_str::<Encoder>(&numeric("null", "1")).is_err());
    let (encoder, _) = fit("n\n1\n2\n");
    assert!(matches!(
        encoder.input_columns()[0].encoding,
        anabranch_data::Encoding::Numeric { missing: MissingColumn::Absent, .. }
    ));
}

#[test]
fn another_number_format_than_that_of_training_is_refused_by_its_name() {
    let (encoder, _) = fit("n,c\n1.5,a\n2.25,b\n3.5,a\n");
    let csv = "n;c\n1,5;a\n2,25;b\n";
    let error = encoder.encode::<f32>(&Executor::serial(), &table(csv), &[0, 1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.csv: column \"n\": 2 of 2 cells are not numbers as in training (the first on line 2: \
         \"1,5\"): they look like numbers with decimal comma: give --decimal comma, or predict anyway with --lenient"
    );
    let rules = ColumnRules { decimal: Some(Mark::Comma), ..ColumnRules::default() };
    let table = table(csv).with_rules(rules);
    let encoded = encoder.encode::<f64>(&Executor::serial(), &table, &[0, 1]).unwrap();
    assert_eq!(encoded.x, encode(&encoder, "n,c\n1.5,a\n2.25,b\n").0);
}

#[test]
fn codes_that_differ_from_row_to_row_are_told_apart_by_their_first_characters() {
    let code = |i: usize| format!("{:05}", i * 3701 % 90_000);
    let csv: String = (0..200).map(|i| format!("{},{}\n", code(i), i % 3)).collect();
    let (encoder, warnings) = fit(&format!("zip,x\n{csv}"));
    // The first digit, of which there are nine: the first two would be up to ninety.
    assert_eq!(encoder.feature_names()[..3], ["zip=0", "zip=1", "zip=2"]);
    assert_eq!(encoder.width(), 9 + 1);
    assert!(
        warnings.contains(
            &"column \"zip\": hardly any two of 200 codes are the same: grouped by their prefix of length 1, \
              into 9 groups"
                .into()
        ),
        "{warnings:?}"
    );
    let (x, _) = encode(&encoder, "zip,x\n20999,0\n");
    assert_eq!(x[..9], [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let stored = serde_json::to_string(&encoder).unwrap();
    assert_eq!(serde_json::from_str::<Encoder>(&stored).unwrap(), encoder);
    // A number of the row stays none.
    let numbers: String = (0..200).map(|i| format!("{i:05},{}\n", i % 3)).collect();
    assert_eq!(fit(&format!("zip,x\n{numbers}")).0.width(), 1);
}

#[test]
fn absurd_numbers_count_as_missing() {
    let row = |i: usize| match i {
        50 => "3e38\n".to_owned(),
        70 => "-3e38\n".to_owned(),
        _ => format!("{}.5\n", i * 7 % 31),
    };
    let csv: String = (0..100).map(row).collect();
    let (encoder, warnings) = fit(&format!("x\n{csv}"));
    assert_eq!(encoder.feature_names(), ["x", "x is missing"]);
    assert_eq!(
        warnings,
        [
            "column \"x\": values more than 1000000 times as far from the median as values usually are: 2 (the first on \
             line 52: \"3e38\"): counted as missing"
        ]
    );
    let (x, _) = encode(&encoder, "x\n3.0e38\n");
    assert_eq!((x[0].abs() < 0.1, x[1]), (true, 1.0));
    // One in ten is not a slip.
    let often: String = (0..100).map(|i| row(if i % 10 == 0 { 50 } else { i })).collect();
    assert_eq!(fit(&format!("x\n{often}")).0.feature_names(), ["x"]);
}
