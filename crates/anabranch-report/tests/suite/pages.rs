//! Pages of runs that are hard to lay out.

use anabranch_data::{Executor, TargetColumns};
use anabranch_report::{Findings, html, short};
use anabranch_tensor::random::{Purpose, Random};

use crate::runs::Trained;

/// The page and its short version; where the environment names a directory, the page is left there
/// to be looked at.
fn page(name: &str, trained: &Trained) -> (String, String) {
    let run = trained.run();
    let findings = Findings::of(&run, &Executor::serial()).unwrap();
    let page = html(&run, &findings);
    if let Some(dir) = std::env::var_os("ANABRANCH_PAGES") {
        std::fs::write(std::path::Path::new(&dir).join(format!("{name}.html")), &page).unwrap();
    }
    check(&page);
    (page, short(&run, &findings))
}

/// Every tag that is opened is closed, in order; nothing is fetched, no script, no number that is
/// not one, no empty plot.
fn check(page: &str) {
    let empty = ["meta", "path", "!DOCTYPE"];
    let (head, rest) = page.split_once("<style>").unwrap();
    let text = head.to_owned() + rest.split_once("</style>").unwrap().1;
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split(char::is_whitespace).next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !empty.contains(&name.trim_end_matches('/')) {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
    for banned in ["<script", "http:", "https:", "url(", "@import", "<link", "NaN", "inf<"] {
        assert!(!page.contains(banned), "{banned}");
    }
    for svg in page.split("<svg").skip(1) {
        let svg = svg.split("</svg>").next().unwrap();
        assert!(svg.contains("class=\"line") || svg.contains("class=\"dots"), "{svg}");
    }
}

fn random() -> Random {
    Random::new(9, Purpose::Sample, 0)
}

#[test]
fn names_from_the_data_are_no_markup() {
    let long = "a very long name of a column ".repeat(3);
    let mut csv = format!("first <b>x</b>,\"{long}\",مساحة البيت,y<script>,\"c&\"\"d\"\"\"\n");
    let mut random = random();
    for i in 0..200 {
        let x = random.normal();
        let label = ["<i>low</i>", "عالي"][usize::from(x > 0.0)];
        csv += &format!("{x:.3},{},{:.3},{:.3},{label}\n", i % 7, random.normal(), 3.0 * x);
    }
    let columns = TargetColumns::new().regress(["y<script>"]).classify("c&\"d\"");
    let mut trained = Trained::new(&csv, &columns, 4, 2);
    trained.name = "<img src=x>".into();
    let (page, short) = page("names", &trained);
    for raw in ["<b>x", "<script", "<i>low", "<img", "c&\"d"] {
        assert!(!page.contains(raw), "{raw}");
    }
    for escaped in ["&lt;b&gt;x&lt;/b&gt;", "مساحة البيت", "&lt;img src=x&gt;", long.trim()]
    {
        assert!(page.contains(escaped), "{escaped}");
    }
    assert!(short.lines().all(|line| line.chars().count() <= 80), "{short}");
}

#[test]
fn many_classes_columns_and_tasks() {
    let mut random = random();
    let names: Vec<String> = (0..200).map(|i| format!("column {i}")).collect();
    let mut csv = format!("{},y,class,z\n", names.join(","));
    for i in 0..900 {
        let x: Vec<f64> = (0..200).map(|_| random.normal()).collect();
        let cells: Vec<String> = x.iter().map(|x| format!("{x:.2}")).collect();
        let class = (i * 7) % 60;
        csv += &format!("{},{:.3},class {class},{:.3}\n", cells.join(","), x[0], x[1] - x[2]);
    }
    let columns = TargetColumns::new().regress(["y"]).classify("class").regress(["z"]);
    let (page, short) = page("many", &Trained::new(&csv, &columns, 3, 1));
    assert!(page.contains("All 60 classes") && page.contains("All 200 columns"));
    assert!(page.contains("173 more columns"));
    assert_eq!(
        short.lines().count(),
        2 + 3 + short.lines().filter(|l| l.contains("column ")).count()
    );
}

#[test]
fn a_single_task_after_one_epoch() {
    let mut random = random();
    let mut csv = String::from("x,when,y\n");
    for i in 0..80 {
        let x = random.normal();
        csv += &format!("{x:.3},2024-0{}-{:02},{:.3}\n", 1 + i % 9, 1 + i % 28, x * 1e6);
    }
    let trained = Trained::new(&csv, &TargetColumns::new().regress(["y"]), 1, 1);
    let (page, _) = page("one", &trained);
    assert!(page.contains("The network trained for 1 epoch."), "{page}");
    assert!(page.contains("2024-0"), "dates along an axis");
    assert!(!page.contains("Predictions that join"));
}
