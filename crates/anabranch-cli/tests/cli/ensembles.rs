//! Ensembles: what is said of several networks that stopped in different epochs.

use crate::program::{Dir, QUICK, shapes};

#[test]
fn epochs_are_the_most_of_the_members_and_best_epochs_their_median() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let flags = QUICK.replace("--ensemble 1 --watch sum", "--ensemble 3 --watch each");
    let flags = flags.replace("--epochs 3", "--epochs 40 --patience 2 --lr 0.05 --weight-decay 0");
    let json = dir.json(&format!("train --data t.csv {flags} --out m"));
    let members = json["members"].as_array().unwrap();
    let sorted = |mut epochs: Vec<u64>| {
        epochs.sort_unstable();
        <[u64; 3]>::try_from(epochs).unwrap()
    };
    let [least, _, most] =
        sorted(members.iter().map(|member| member["epochs"].as_u64().unwrap()).collect());
    assert!(least < most);
    assert_eq!(json["epochs"], most);
    for task in 0..2 {
        let best = |member: &serde_json::Value| member["best_epochs"][task].as_u64().unwrap();
        let [least, median, most] = sorted(members.iter().map(best).collect());
        assert!(least < median && median < most, "{members:?}");
        assert_eq!(json["tasks"][task]["best_epoch"], median);
    }
}
