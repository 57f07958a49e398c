//! Checks for import circles between the files of a room.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::Offence;
use crate::scan;

/// The maximum number of files in an import circle. Two files that import each other may belong
/// together; a reader of a larger circle does not know where to begin.
const MAX_CIRCLE: usize = 2;
/// The maximum number of reexports through which a name is followed.
const MAX_EXPORTS: usize = 8;

/// A path of modules below the crate: `["hub", "feed", "topic"]`.
type Module = Vec<String>;

/// Finds import circles among the files of one room. Each source is a path relative to `src/` and
/// its text.
pub(crate) fn check_circles(sources: &[(String, String)]) -> Vec<Offence> {
    let graph = Graph::read(sources);
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        graph.imports.keys().map(|module| (module, graph.reached_from(module))).collect();
    let mut seen: BTreeSet<&Module> = BTreeSet::new();
    let mut offences = Vec::new();
    for (module, others) in &reached {
        if seen.contains(module) {
            continue;
        }
        let circle: Vec<&Module> =
            others.iter().copied().filter(|other| reached[other].contains(module)).collect();
        seen.extend(&circle);
        if circle.len() > MAX_CIRCLE {
            let names: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
            let what = format!("{} files import each other in a circle: {}", names.len(), names.join(", "));
            offences.push(Offence::new(&graph.files[*module], 1, what));
        }
    }
    offences
}

#[derive(Default)]
struct Graph {
    files: BTreeMap<Module, String>,
    /// The modules that each module imports.
    imports: BTreeMap<Module, BTreeSet<Module>>,
    /// The names that each module reexports, with the modules that define them.
    exports: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Graph {
    fn read(sources: &[(String, String)]) -> Self {
        let mut graph = Self::default();
        let sources: Vec<(Module, &String, &String)> =
            sources.iter().map(|(file, text)| (module_of(file), file, text)).collect();
        for (module, file, _) in &sources {
            if !module.iter().any(|name| name == "tests") {
                graph.files.insert(module.clone(), format!("src/{file}"));
                graph.imports.insert(module.clone(), BTreeSet::new());
            }
        }
        let mut named: Vec<(Module, Module)> = Vec::new();
        for (module, _, text) in sources.iter().filter(|(module, ..)| graph.files.contains_key(module)) {
            for path in scan::paths(module, text).into_iter().filter(|path| !path.in_tests) {
                let Some(target) = graph.absolute(module, path.segments) else { continue };
                match target.last().cloned() {
                    Some(name) if path.exported => {
                        graph.exports.entry(module.clone()).or_default().insert(name, target);
                    }
                    Some(_) => named.push((module.clone(), target)),
                    None => {}
                }
            }
        }
        for (module, target) in named {
            if let Some(target) = graph.defining(target).filter(|target| *target != module) {
                graph.imports.entry(module).or_default().insert(target);
            }
        }
        graph
    }

    /// Returns a path of this crate without its first word; `None` for a path of another crate or a
    /// local name.
    fn absolute(&self, module: &Module, mut path: Vec<String>) -> Option<Module> {
        if path.first().is_some_and(|first| first == "crate") {
            path.remove(0);
            return Some(path);
        }
        // A path that begins with a child of this module.
        let child: Module = module.iter().chain(path.first()).cloned().collect();
        self.files.contains_key(&child).then(|| module.iter().cloned().chain(path).collect())
    }

    /// Returns the module that defines the item of a path, if it is in the room.
    fn defining(&self, mut path: Module) -> Option<Module> {
        for _ in 0..MAX_EXPORTS {
            let end = (1..=path.len()).rev().find(|end| self.files.contains_key(&path[..*end]))?;
            let module = path[..end].to_vec();
            let exported = path.get(end).and_then(|name| self.exports.get(&module)?.get(name));
            match exported {
                Some(target) => path = target.iter().chain(&path[end + 1..]).cloned().collect(),
                None => return Some(module),
            }
        }
        None
    }

    /// Returns the modules that a module imports, directly or through others, and the module itself.
    fn reached_from<'a>(&'a self, module: &'a Module) -> BTreeSet<&'a Module> {
        let mut reached = BTreeSet::from([module]);
        let mut open = vec![module];
        while let Some(next) = open.pop() {
            open.extend(self.imports[next].iter().filter(|target| reached.insert(target)));
        }
        reached
    }
}

fn module_of(file: &str) -> Module {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    stem.strip_suffix("/mod").unwrap_or(stem).split('/').map(str::to_owned).collect()
}
