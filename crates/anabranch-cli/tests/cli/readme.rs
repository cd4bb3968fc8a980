//! What the README shows is what the program does.

use anabranch::tensor::InstructionSet;

use crate::program::Dir;

/// The blocks of commands in the README, with what they print.
fn console_blocks() -> Vec<String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let blocks = readme.split("```console\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Whether a line has bars or a curve, which numbers decide.
fn is_drawn(line: &str) -> bool {
    line.contains(|c| ('▁'..='▏').contains(&c))
}

/// `text` with every number replaced by one dot, where `is_masked` says so of its line, and every
/// line with bars too.
fn masked(text: &str, is_masked: impl Fn(&str) -> bool) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        if is_masked(line) && is_drawn(line) {
            lines.push('·');
        } else if is_masked(line) {
            let words = line.split_whitespace();
            let is_number = |word: &str| word.trim_end_matches('%').parse::<f64>().is_ok();
            let masked = words.map(|word| if is_number(word) { "·" } else { word });
            lines += &masked.collect::<Vec<_>>().join(" ");
        } else {
            lines += line;
        }
        lines.push('\n');
    }
    lines
}

#[test]
fn the_two_commands_print_what_the_readme_shows() {
    let block = &console_blocks()[0];
    let (train, test) = block.split_once("$ cargo test --workspace\n").expect("the second command");
    // The second command is what runs this test.
    assert_eq!(test, "");
    let shown = train.strip_prefix("$ cargo run --release -- train\n").expect("the first command");
    let printed = Dir::new().succeed("train").stdout;
    // Durations differ from run to run. Instruction sets other than the README's may add in
    // another order.
    let is_other = InstructionSet::detected() != InstructionSet::Avx512;
    let results = "epochs accuracy alcohol RMSE MAE R² quality log-loss macro-F1";
    let is_masked = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_result = |line| is_drawn(line) || words.iter().any(|word| results.contains(word));
        words.contains(&"rows/s") || is_other && is_result(line)
    };
    assert_eq!(masked(&printed, is_masked), masked(shown, is_masked));
    assert!(masked(shown, is_masked).contains("networks: · epochs in · s, · rows/s"));
}

#[test]
fn the_commands_for_a_table_of_ones_own_run() {
    let dir = Dir::new();
    let mut table = String::from("carat,cut,price\n");
    for i in 0..200 {
        let cut = ["Fair", "Good", "Ideal"][i % 3];
        table += &format!("{}.{},{cut},{}\n", i % 4, i % 10, 300 + 17 * (i % 4) + i % 10);
    }
    for name in ["diamonds.csv", "new.csv", "held-out.csv"] {
        dir.write(name, &table);
    }
    let commands: Vec<String> = console_blocks()[1].lines().map(ToOwned::to_owned).collect();
    assert_eq!(commands.len(), 4);
    for command in commands {
        dir.succeed(command.strip_prefix("$ anabranch ").expect("a command"));
    }
    assert_eq!(dir.read("predicted.csv").lines().count(), 201);
}
