//! The tables of the front pages against the code.

use std::fs;

use natgrad::damping::{Marquardt, Tikhonov};
use natgrad::krylov::{Cg, Minres, MinresQlp};
use natgrad::optimizer::{
    Adam, Full, Gram, HessianFree, Kronecker, KrylovDescent, Method, Momentum, NaturalCg,
    NaturalGradient, Nesterov, Newton, Plain, Sgd, Tonga, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens, Unpreconditioned};
use natgrad_tests::accuracy::plot;
use natgrad_tests::accuracy::record::{self, Curve};
use natgrad_tests::accuracy::table::Data;
use natgrad_tests::on_target::budgets;
use natgrad_tests::root;

type Natural<S, P, D> = NaturalGradient<f32, S, P, D>;

fn vectors<M: Method<f32>>() -> usize {
    M::STORAGE.vectors
}

/// The rows of the storage table: what stands in the first column, and the vectors.
fn table(document: &str) -> Vec<(String, String)> {
    let heading = "| method | vectors of length P in the workspace |";
    let mut lines = document.lines().skip_while(|line| *line != heading);
    assert_eq!(lines.next(), Some(heading), "the table has another heading");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let mut cell = || cells.next().unwrap_or_default().to_string();
            (cell(), cell())
        })
        .collect()
}

#[test]
fn storage_tables_are_what_the_types_say() {
    let expected = [
        ("`Sgd<T, Plain>`", vectors::<Sgd<f32, Plain>>().to_string()),
        (
            "`Sgd<T, Momentum>`, `Sgd<T, Nesterov>`",
            vectors::<Sgd<f32, Momentum>>().to_string(),
        ),
        ("`Adam<T>`", vectors::<Adam<f32>>().to_string()),
        (
            "`Gram<T, B, Tikhonov, Plain>`",
            format!(
                "{} and a system",
                vectors::<Gram<f32, 4, Tikhonov, Plain>>()
            ),
        ),
        (
            "`Gram<T, B>` (Kronecker, Momentum)",
            format!("{} and a system", vectors::<Gram<f32, 4>>()),
        ),
        (
            "`Gram<T, B, Kronecker, Momentum, Woodbury>`",
            format!(
                "{} and a system",
                vectors::<Gram<f32, 4, Kronecker, Momentum, Woodbury>>()
            ),
        ),
        (
            "`NaturalGradient<T, Cg<0>, Unpreconditioned, Tikhonov>`",
            vectors::<Natural<Cg<0>, Unpreconditioned, Tikhonov>>().to_string(),
        ),
        (
            "`NaturalGradient<T, Cg<0>, Jacobi, Marquardt>` (the default)",
            vectors::<NaturalGradient<f32>>().to_string(),
        ),
        (
            "`NaturalGradient<T, Cg<0>, Martens, Tikhonov>`",
            vectors::<Natural<Cg<0>, Martens, Tikhonov>>().to_string(),
        ),
        (
            "`NaturalGradient<T, Cg<C>, Martens, Marquardt>`",
            format!("{} + C", vectors::<Natural<Cg<0>, Martens, Marquardt>>()),
        ),
        (
            "`NaturalGradient<T, Minres, Unpreconditioned, Tikhonov>`",
            vectors::<Natural<Minres, Unpreconditioned, Tikhonov>>().to_string(),
        ),
        (
            "`NaturalGradient<T, MinresQlp, Unpreconditioned, Tikhonov>`",
            vectors::<Natural<MinresQlp, Unpreconditioned, Tikhonov>>().to_string(),
        ),
        (
            "`NaturalCg<T, Full>`",
            vectors::<NaturalCg<f32, Full>>().to_string(),
        ),
        (
            "`HessianFree<T, C>`",
            format!("{} + C", vectors::<HessianFree<f32, 0>>()),
        ),
        ("`Newton<T>`", vectors::<Newton<f32>>().to_string()),
        (
            "`KrylovDescent<T, K, Jacobi>`",
            format!("{} + K", vectors::<KrylovDescent<f32, 1>>() - 1),
        ),
        (
            "`Tonga<T, K, B, Uncentred>`",
            format!("{} + K + B", vectors::<Tonga<f32, 2, 3>>() - 5),
        ),
    ]
    .map(|(method, vectors)| (method.to_string(), vectors));
    assert_eq!(
        vectors::<Sgd<f32, Nesterov>>(),
        vectors::<Sgd<f32, Momentum>>()
    );
    assert_eq!(
        vectors::<NaturalGradient<f32>>(),
        vectors::<Natural<Cg<0>, Jacobi, Marquardt>>()
    );
    assert_eq!(
        vectors::<Natural<Cg<3>, Martens, Marquardt>>(),
        vectors::<Natural<Cg<0>, Martens, Marquardt>>() + 3
    );
    assert_eq!(
        vectors::<HessianFree<f32, 3>>(),
        vectors::<HessianFree<f32, 0>>() + 3
    );
    assert_eq!(
        vectors::<KrylovDescent<f32, 4>>(),
        vectors::<KrylovDescent<f32, 1>>() + 3
    );
    assert_eq!(
        vectors::<Tonga<f32, 4, 5>>(),
        vectors::<Tonga<f32, 2, 3>>() + 4
    );
    for page in ["README.md", "core/README.md"] {
        let document = fs::read_to_string(root().join(page)).expect(page);
        assert_eq!(table(&document), expected, "{page}");
    }
}

#[test]
fn the_table_of_costs_is_that_of_the_budgets() {
    let page = fs::read_to_string(root().join("README.md")).expect("a page");
    let (_, rest) = page.split_once("<!-- budgets -->\n").expect("a mark");
    let (table, _) = rest.split_once("<!-- /budgets -->").expect("another");
    let rows = budgets::read().unwrap();
    assert!(
        table == budgets::render(&rows),
        "README.md holds another table than `cargo run -p natgrad-tests --bin on-target -- --table` prints"
    );
}

/// The comparison is printed from the data that are committed: table, page and plot.
#[test]
fn the_comparison_is_that_of_its_data() {
    let command = "cargo run --release -p natgrad-tests --bin accuracy -- --table";
    let data = Data::read().unwrap();
    let page = fs::read_to_string(root().join("README.md")).expect("a page");
    let (_, rest) = page.split_once("<!-- accuracy -->\n").expect("a mark");
    let (table, _) = rest.split_once("<!-- /accuracy -->").expect("another");
    assert!(
        table == data.headline(),
        "README.md holds another table than `{command}` prints"
    );
    let curves = record::read::<Curve>("curves.csv").unwrap();
    for (name, expected) in [
        ("README.md", data.page()),
        ("accuracy.svg", plot::draw(&curves).unwrap()),
    ] {
        let found = fs::read_to_string(record::folder().join(name)).expect(name);
        assert!(
            found == expected,
            "tests/accuracy/{name} is not what `{command}` writes"
        );
    }
}
