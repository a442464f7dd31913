//! The firmware that proves that no public function panics calls every public function.
//!
//! Both sides are read as source. A public function is one that another crate can name: `pub` in a public module or
//! re-exported, a method of a public type, a method of a public trait, or of a trait of others that is implemented
//! for a public type; not what `derive` writes. It is known by two names, of its type, trait or module, and its own,
//! and there have to be as many calls by these names as there are functions of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use natgrad_tests::root;
use syn::visit::{Visit, visit_expr_call};
use syn::{
    Expr, ExprCall, ImplItem, Item, ItemImpl, Path as Names, TraitItem, Type, UseTree, Visibility,
};

/// What the firmware cannot call by these names, and why no panic escapes that way.
const EXCEPTIONS: [(&str, &str); 1] = [(
    "Method::advance",
    "takes a `Frame`, which only a trainer can make: `Trainer::advance` calls it",
)];

/// How often a function occurs, by its two names.
type Functions = BTreeMap<String, usize>;

#[test]
fn every_public_function_is_called() {
    let public = public_functions(&root().join("core/src"));
    let calls = calls(&root().join("tests/firmware/panics/src"));
    let missing = missing(&public, &calls);
    assert!(
        missing.is_empty(),
        "not called in tests/firmware/panics: {missing:?}"
    );
    assert!(
        public.values().sum::<usize>() > 150,
        "the public functions are not found"
    );
    for (name, reason) in EXCEPTIONS {
        assert!(
            public.contains_key(name),
            "{name} is no function, but {reason}"
        );
        assert!(!calls.contains_key(name), "{name} is called, but {reason}");
    }
}

#[test]
fn every_implementor_is_given_to_the_generic_calls() {
    let root_module = module(
        "crate",
        parse(&root().join("core/src/lib.rs")),
        &root().join("core/src"),
    );
    let mut names = BTreeSet::new();
    exported(&root_module, &mut names, &mut Functions::new());
    let mut pairs = BTreeSet::new();
    implementors(&root_module, &names, &mut pairs);
    let text: String = sources(&root().join("tests/firmware/panics/src")).concat();
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let missing: Vec<_> = pairs
        .iter()
        .filter(|name| !words.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "not in tests/firmware/panics: {missing:?}"
    );
    assert!(pairs.len() > 25, "the implementors are not found");
}

/// Collects the public types that implement a public trait.
fn implementors(module: &Module, names: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    for item in &module.items {
        if let Item::Impl(item) = item
            && let Some((of_trait, _)) = &item.trait_
            && last(of_trait).is_some_and(|name| names.contains(&name))
            && let Type::Path(of) = &*item.self_ty
        {
            found.extend(last(&of.path).filter(|of| names.contains(of)));
        }
    }
    for (_, child) in &module.inside {
        implementors(child, names, found);
    }
}

fn sources(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// The functions that are called too seldom.
fn missing(public: &Functions, calls: &Functions) -> Vec<String> {
    let excepted = |name: &str| EXCEPTIONS.iter().any(|(exception, _)| *exception == name);
    public
        .iter()
        .filter(|(name, count)| !excepted(name) && calls.get(*name).unwrap_or(&0) < count)
        .map(|(name, _)| name.clone())
        .collect()
}

/// A module of the library, with those inside it.
struct Module {
    name: String,
    items: Vec<Item>,
    inside: Vec<(bool, Module)>,
}

fn module(name: &str, items: Vec<Item>, folder: &Path) -> Module {
    let mut inside = Vec::new();
    for item in &items {
        let Item::Mod(child) = item else { continue };
        if child
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("cfg"))
        {
            continue;
        }
        let name = child.ident.to_string();
        let below = folder.join(&name);
        let items = child.content.clone().map_or_else(
            || {
                let file = below.with_extension("rs");
                let file = if file.is_file() {
                    file
                } else {
                    below.join("mod.rs")
                };
                parse(&file)
            },
            |(_, items)| items,
        );
        inside.push((is_public(&child.vis), module(&name, items, &below)));
    }
    let name = name.into();
    Module {
        name,
        items,
        inside,
    }
}

fn parse(file: &Path) -> Vec<Item> {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).unwrap().items
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// All public functions of a crate.
fn public_functions(source: &Path) -> Functions {
    let root = module("crate", parse(&source.join("lib.rs")), source);
    let mut functions = Functions::new();
    let mut names = BTreeSet::new();
    exported(&root, &mut names, &mut functions);
    let mut traits = BTreeSet::new();
    defined(&root, &mut traits);
    implemented(&root, &names, &traits, &mut functions);
    functions
}

fn count(functions: &mut Functions, of: &str, name: &dyn ToString) {
    *functions
        .entry(format!("{of}::{}", name.to_string()))
        .or_default() += 1;
}

/// Collects the types and traits that a module exports, and counts its functions and those of its traits.
fn exported(module: &Module, names: &mut BTreeSet<String>, functions: &mut Functions) {
    for item in &module.items {
        export(module, item, names, functions);
        if let Item::Use(item) = item
            && is_public(&item.vis)
        {
            re_exported(module, &item.tree, names, functions);
        }
    }
    for (public, child) in &module.inside {
        if *public {
            exported(child, names, functions);
        }
    }
}

fn export(module: &Module, item: &Item, names: &mut BTreeSet<String>, functions: &mut Functions) {
    match item {
        Item::Fn(item) if is_public(&item.vis) => count(functions, &module.name, &item.sig.ident),
        Item::Struct(item) if is_public(&item.vis) => drop(names.insert(item.ident.to_string())),
        Item::Enum(item) if is_public(&item.vis) => drop(names.insert(item.ident.to_string())),
        Item::Trait(item) if is_public(&item.vis) && names.insert(item.ident.to_string()) => {
            for method in &item.items {
                if let TraitItem::Fn(method) = method {
                    count(functions, &item.ident.to_string(), &method.sig.ident);
                }
            }
        }
        _ => {}
    }
}

/// The items that a private module inside `module` has, and `module` exports.
fn re_exported(
    module: &Module,
    tree: &UseTree,
    names: &mut BTreeSet<String>,
    functions: &mut Functions,
) {
    let UseTree::Path(path) = tree else { return };
    let child = module
        .inside
        .iter()
        .find(|(_, child)| path.ident == child.name.as_str());
    let Some((false, child)) = child else { return };
    let chosen: Vec<String> = match &*path.tree {
        UseTree::Name(name) => vec![name.ident.to_string()],
        UseTree::Group(group) => group
            .items
            .iter()
            .map(|tree| match tree {
                UseTree::Name(name) => name.ident.to_string(),
                _ => panic!("an export of {} that this test cannot read", child.name),
            })
            .collect(),
        _ => panic!("an export of {} that this test cannot read", child.name),
    };
    for item in &child.items {
        let name = match item {
            Item::Fn(item) => &item.sig.ident,
            Item::Struct(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            _ => continue,
        };
        if chosen.iter().any(|chosen| name == chosen) {
            export(module, item, names, functions);
        }
    }
}

/// Collects all traits, public or not.
fn defined(module: &Module, traits: &mut BTreeSet<String>) {
    for item in &module.items {
        if let Item::Trait(item) = item {
            traits.insert(item.ident.to_string());
        }
    }
    for (_, child) in &module.inside {
        defined(child, traits);
    }
}

/// Counts the functions of public types, wherever they are implemented.
fn implemented(
    module: &Module,
    names: &BTreeSet<String>,
    traits: &BTreeSet<String>,
    functions: &mut Functions,
) {
    for item in &module.items {
        if let Item::Impl(item) = item {
            of_implementation(item, names, traits, functions);
        }
    }
    for (_, child) in &module.inside {
        implemented(child, names, traits, functions);
    }
}

fn of_implementation(
    item: &ItemImpl,
    names: &BTreeSet<String>,
    traits: &BTreeSet<String>,
    functions: &mut Functions,
) {
    let Type::Path(of) = &*item.self_ty else {
        return;
    };
    let Some(of) = last(&of.path).filter(|of| names.contains(of)) else {
        return;
    };
    // A trait of this crate counts by its own name if it is public, and cannot be called if not.
    let of_trait = item.trait_.as_ref().map(|(path, _)| path);
    if of_trait
        .and_then(last)
        .is_some_and(|name| traits.contains(&name))
    {
        return;
    }
    for function in &item.items {
        if let ImplItem::Fn(function) = function
            && (of_trait.is_some() || is_public(&function.vis))
        {
            count(functions, &of, &function.sig.ident);
        }
    }
}

fn last(path: &Names) -> Option<String> {
    path.segments
        .last()
        .map(|segment| segment.ident.to_string())
}

/// All calls by path of the library of a package.
fn calls(source: &Path) -> Functions {
    struct Calls(Functions);
    impl<'ast> Visit<'ast> for Calls {
        fn visit_expr_call(&mut self, call: &'ast ExprCall) {
            if let Expr::Path(function) = &*call.func {
                let of = function.qself.as_ref().and_then(|of| match &*of.ty {
                    Type::Path(of) => last(&of.path),
                    _ => None,
                });
                let mut names = function
                    .path
                    .segments
                    .iter()
                    .rev()
                    .map(|segment| segment.ident.to_string());
                if let (Some(name), Some(above)) = (names.next(), names.next()) {
                    // `<Type as Trait>::function` is a call of both.
                    for of in of.into_iter().chain([above]) {
                        count(&mut self.0, &of, &name);
                    }
                }
            }
            visit_expr_call(self, call);
        }
    }
    let mut calls = Calls(Functions::new());
    for text in sources(source) {
        calls.visit_file(&syn::parse_file(&text).unwrap());
    }
    calls.0
}
