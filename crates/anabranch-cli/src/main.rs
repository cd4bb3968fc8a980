//! The program `anabranch`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    anabranch_cli::main()
}
