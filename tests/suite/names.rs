//! Names of kinds: one name for printing, parsing, and files.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use anabranch::data::{AskedKind, ScaleKind};
use anabranch_layers::{Activation, Join, LossKind};
use anabranch_optim::{OptimizerKind, ScheduleKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn check<K>(all: &[K])
where
    K: Display + Debug + FromStr<Err: Display> + PartialEq + Serialize + DeserializeOwned,
{
    for kind in all {
        assert_eq!(kind.to_string().parse().ok().as_ref(), Some(kind));
        let text = serde_json::to_string(kind).unwrap();
        assert!(text.trim_start_matches('{').starts_with(&format!("\"{kind}\"")), "{text}");
        assert_eq!(serde_json::from_str::<K>(&text).unwrap(), *kind);
    }
    let Err(error) = "unheard-of".parse::<K>() else { panic!("a kind called unheard-of") };
    let known: Vec<String> = all.iter().map(K::to_string).collect();
    let message = error.to_string();
    assert!(message.ends_with(&format!("choose one of {}", known.join(", "))), "{message}");
}

#[test]
fn kinds_are_parsed_and_read_by_the_names_they_print() {
    check(&OptimizerKind::ALL);
    check(&ScheduleKind::ALL);
    check(&LossKind::ALL);
    check(&Activation::ALL);
    check(&Join::ALL);
    check(&ScaleKind::ALL);
    check(&AskedKind::ALL);
}
