//! No two files of a crate use each other, not even by way of others: each can be understood once
//! those that it uses are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::source::without_comments_and_strings;

/// A module's path inside its crate: empty for the root.
type Module = Vec<String>;

/// The modules that the file of each module uses, by the `use` declarations that are not public:
/// those say what a module shows, not what it needs.
fn uses(src: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut files = BTreeMap::new();
    collect(src, &mut Vec::new(), &mut files);
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let edges = files.into_iter().map(|(module, text)| {
        let used =
            declarations(&text).into_iter().filter_map(|path| target(&module, &path, &modules));
        let used = used.filter(|other| *other != module).collect();
        (module, used)
    });
    edges.collect()
}

/// The text of every module's file below `folder`, without its tests.
fn collect(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|end| end == "rs") && !is_test(&name) {
            let is_root = ["lib", "main", "mod"].contains(&name.as_str());
            let own = module.iter().cloned().chain((!is_root).then_some(name)).collect();
            let text = without_comments_and_strings(&fs::read_to_string(&path).unwrap());
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
            files.insert(own, code);
        }
    }
}

fn is_test(name: &str) -> bool {
    name == "tests" || name.ends_with("_tests") || name == "guarded"
}

/// The paths of all private `use` declarations at the level of the module.
fn declarations(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\nuse ") {
        let declaration = rest[at + 5..].split(';').next().unwrap();
        expand(declaration, &[], &mut paths);
        rest = &rest[at + 5..];
    }
    paths
}

/// Each path of `a::{b, c::d}`.
fn expand(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let tree = tree.split(" as ").next().unwrap();
        let parts = tree.split("::").map(|part| part.trim().to_owned());
        paths.push(before.iter().cloned().chain(parts).collect());
        return;
    };
    let head = head.split("::").map(str::trim).filter(|part| !part.is_empty());
    let before: Vec<String> = before.iter().cloned().chain(head.map(str::to_owned)).collect();
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    expand(&group[start..at], &before, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The module that a path leads to, if it is one of this crate.
fn target(from: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    let mut at = from.clone();
    let mut parts = path;
    match path.first()?.as_str() {
        "crate" => at.clear(),
        "self" => {}
        "super" => {
            while let [first, others @ ..] = parts
                && first == "super"
            {
                at.pop();
                parts = others;
            }
        }
        // A child, or another crate.
        child => {
            let is_child = modules.contains(&[from.as_slice(), &[child.to_owned()]].concat());
            parts = if is_child { parts } else { return None };
        }
    }
    let skipped = usize::from(["crate", "self"].contains(&path[0].as_str()));
    for part in &parts[skipped..] {
        let next = [at.as_slice(), std::slice::from_ref(part)].concat();
        if !modules.contains(&next) {
            break;
        }
        at = next;
    }
    Some(at)
}

/// The modules of a circle, if there is one.
fn circle(uses: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    // What uses nothing that is left is in no circle; nor is, then, what uses only that.
    let mut left = uses.clone();
    loop {
        let modules: BTreeSet<Module> = left.keys().cloned().collect();
        let n_before = left.len();
        left.retain(|_, used| used.iter().any(|other| modules.contains(other)));
        if left.len() == n_before {
            break;
        }
    }
    // Whatever is left leads to a circle: far enough along, it is on it.
    let mut path: Vec<Module> = vec![left.keys().next()?.clone()];
    loop {
        let last = path.last()?;
        let next = left[last].iter().find(|other| left.contains_key(*other))?.clone();
        if let Some(start) = path.iter().position(|module| *module == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

#[test]
fn no_circle_of_files_in_any_crate() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates");
    for entry in fs::read_dir(crates).unwrap() {
        let folder = entry.unwrap().path();
        // The root shows the modules and may be used by all of them.
        let mut uses = uses(&folder.join("src"));
        uses.remove(&Vec::new());
        assert_eq!(circle(&uses), None, "{}", folder.display());
    }
}

#[test]
fn circles_are_found() {
    let module = |name: &str| vec![name.to_owned()];
    let uses = |edges: &[(&str, &[&str])]| {
        let modules = edges.iter().map(|(from, to)| {
            (module(from), to.iter().map(|other| module(other)).collect::<BTreeSet<_>>())
        });
        modules.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(circle(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])), None);
    let found = circle(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &["d", "b"]), ("d", &[])]));
    assert_eq!(found, Some(vec![module("b"), module("c")]));

    let text = "\nuse crate::a::{B, c::{D, E}};\npub use self::f::G;\nuse super::h as i;\n";
    let paths = declarations(text).into_iter().map(|path| path.join("::"));
    assert_eq!(
        paths.collect::<Vec<_>>(),
        ["crate::a::B", "crate::a::c::D", "crate::a::c::E", "super::h"]
    );
}
