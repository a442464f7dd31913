//! Sizes: what a plan, a pass, a method and a trainer say they need is what they need.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]

use natgrad::curvature::{EmpiricalFisher, Fisher, GradientCovariance, Hessian};
use natgrad::damping::{Damping, DampingPolicy, Marquardt, Tikhonov};
use natgrad::data::Labels;
use natgrad::krylov::{Cg, Minres, MinresQlp, Solver};
use natgrad::operator::LinearOperator;
use natgrad::optimizer::{
    Adam, Centred, Full, Gram, HessianFree, Kronecker, KrylovDescent, Local, Method, Momentum,
    NatSgd, NaturalCg, NaturalGradient, Nesterov, Newton, Plain, Progress, Sgd,
    StructuralHessianFree, Tonga, Uncentred, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens, Unpreconditioned};
use natgrad::{
    Activation, Batch, DualStorage, Error, Likelihood, Metric, Mlp, Model, OverBudget, Pass, Plan,
    Room, ShapeError, Storage, Trainer, Workspace,
};

type Natural<S, P, D> = NaturalGradient<f32, S, P, D>;

// Everything a firmware sizes its memory by is a constant.
const PLAN: Plan<3> = match Plan::new([5, 7, 3], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
const PARAMS: usize = PLAN.params();
const SCRATCH: usize = Pass::Hessian.scratch_len(&PLAN.model(), 2);
const ROOM: Room = Room {
    batch: 3,
    metric: 2,
    ..Room::NONE
};
const LEN: usize = Trainer::<f32, NaturalGradient<f32>, 2>::workspace_len(&PLAN.model(), ROOM);
const BYTES: usize = Trainer::<f32, NaturalGradient<f32>, 2>::bytes(&PLAN.model(), ROOM);
const MACS: u64 = PLAN.model().macs(Pass::Product);
const ROWS: Storage = Pass::Loss
    .storage()
    .and(Pass::Jvp.storage())
    .and(Storage::NONE);
const WORKSPACE: usize = Workspace::<f32, LEN>::BYTES;
static ARENA: Workspace<f32, LEN> = Workspace::new();

#[test]
fn constants() {
    assert_eq!(PARAMS, 5 * 7 + 7 + 7 * 3 + 3);
    assert_eq!(SCRATCH, 2 * (3 * 15 + 4 * 7 + 3));
    assert_eq!(
        LEN,
        6 * PARAMS + 2 * (2 * 15 + 2 * 7 + 3) + 3 * (5 + 3 + 1) + 2 * (5 + 1)
    );
    assert_eq!(
        BYTES,
        size_of::<Trainer<f32, NaturalGradient<f32>, 2>>() + 4 * (PARAMS + LEN)
    );
    assert_eq!(MACS, 5 * 56 - 2 * 35);
    assert_eq!(
        (ROWS.vectors, ROWS.units, ROWS.widths, ROWS.outputs),
        (0, 3, 0, 1)
    );
    assert_eq!((WORKSPACE, ARENA.len()), (4 * LEN, LEN));
    assert!(ARENA.iter().all(|&x| x == 0.0));
    assert_eq!(size_of::<Workspace<f32, LEN>>(), 4 * LEN);
}

fn vectors<M: Method<f32>>() -> usize {
    M::STORAGE.vectors
}

fn scalars<M: Method<f32>>() -> usize {
    M::STORAGE.scalars
}

#[test]
fn vectors_of_every_method() {
    assert_eq!(vectors::<Sgd<f32, Plain>>(), 1);
    assert_eq!(vectors::<Sgd<f32, Momentum>>(), 2);
    assert_eq!(vectors::<Sgd<f32, Nesterov>>(), 2);
    assert_eq!(vectors::<Adam<f32>>(), 3);

    assert_eq!(vectors::<Natural<Cg, Unpreconditioned, Tikhonov>>(), 5);
    assert_eq!(vectors::<Natural<Cg, Jacobi, Tikhonov>>(), 6);
    assert_eq!(vectors::<Natural<Cg, Unpreconditioned, Marquardt>>(), 6);
    assert_eq!(vectors::<Natural<Cg, Jacobi, Marquardt>>(), 6);
    assert_eq!(vectors::<Natural<Cg, Martens, Tikhonov>>(), 6);
    assert_eq!(vectors::<Natural<Cg, Martens, Marquardt>>(), 7);
    assert_eq!(vectors::<Natural<Cg<4>, Martens, Marquardt>>(), 11);

    assert_eq!(vectors::<Newton<f32>>(), 5);
    assert_eq!(vectors::<HessianFree<f32>>(), 8);
    assert_eq!(vectors::<StructuralHessianFree<f32, 0>>(), 6);
    assert_eq!(vectors::<NatSgd<f32, Cg>>(), 5);
    assert_eq!(vectors::<NaturalCg<f32, Local>>(), 7);
    assert_eq!(
        vectors::<NaturalCg<f32, Full, Cg, Unpreconditioned, Tikhonov>>(),
        6
    );

    assert_eq!(
        vectors::<Natural<MinresQlp, Unpreconditioned, Tikhonov>>(),
        7
    );
    assert_eq!(vectors::<Tonga<f32, 3, 4, Uncentred>>(), 8);
    assert_eq!(vectors::<Tonga<f32, 3, 4, Centred>>(), 9);
    assert_eq!(vectors::<KrylovDescent<f32, 3, Unpreconditioned>>(), 7);
    assert_eq!(vectors::<KrylovDescent<f32, 3, Jacobi>>(), 8);
    assert_eq!(vectors::<KrylovDescent<f32, 3, Martens>>(), 8);

    assert_eq!(vectors::<Gram<f32, 8, Tikhonov, Plain>>(), 1);
    assert_eq!(vectors::<Gram<f32, 8>>(), 2);
    assert_eq!(vectors::<Gram<f32, 8, Kronecker, Momentum, Woodbury>>(), 3);

    assert_eq!(<Cg as Solver<f32>>::VECTORS, 4);
    assert_eq!(<Cg<3> as Solver<f32>>::VECTORS, 7);
    assert_eq!(<Minres as Solver<f32>>::VECTORS, 6);
    assert_eq!(<MinresQlp as Solver<f32>>::VECTORS, 6);
}

#[test]
fn scalars_of_every_method() {
    assert_eq!(scalars::<Sgd<f32, Nesterov>>(), 0);
    assert_eq!(scalars::<Adam<f32>>(), 0);
    assert_eq!(scalars::<NaturalGradient<f32>>(), 0);
    assert_eq!(scalars::<Tonga<f32, 3, 4, Uncentred>>(), 3 * 49 + 2 * 7);
    assert_eq!(scalars::<Tonga<f32, 1, 1, Centred>>(), 3 * 4 + 2 * 2);
    assert_eq!(scalars::<KrylovDescent<f32, 3, Jacobi>>(), 3 * 16 + 6 * 4);
    assert_eq!(
        scalars::<KrylovDescent<f32, 1, Unpreconditioned>>(),
        3 * 4 + 6 * 2
    );
}

/// The last cell of the row of a documentation table that holds `needle`.
fn cell<'d>(document: &'d str, needle: &str) -> &'d str {
    let mut rows = document
        .lines()
        .filter(|line| line.starts_with("//! |") && line.contains(needle));
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("no row with {needle}"));
    assert_eq!(rows.next(), None, "two rows with {needle}");
    row.trim_end_matches(['|', ' '])
        .rsplit("| ")
        .next()
        .unwrap_or("")
}

#[test]
fn documented_tables() {
    let methods = include_str!("../src/optimizer/mod.rs");
    assert_eq!(
        cell(methods, "Sgd<T, Plain>"),
        vectors::<Sgd<f32, Plain>>().to_string()
    );
    assert_eq!(
        cell(methods, "Sgd<T, Momentum>"),
        vectors::<Sgd<f32, Momentum>>().to_string()
    );
    assert_eq!(
        cell(methods, "Sgd<T, Nesterov>"),
        vectors::<Sgd<f32, Nesterov>>().to_string()
    );
    assert_eq!(
        cell(methods, "[`Adam<T>`]"),
        vectors::<Adam<f32>>().to_string()
    );
    // K + B + 1 and K + 4, with K = B = 1.
    let tonga = cell(methods, "[`Tonga`]");
    assert_eq!(vectors::<Tonga<f32, 1, 1>>(), 3);
    assert_eq!(
        tonga,
        "K + B + 1, + 1 for [`Centred`]; and 3(K + B)² + 2(K + B) scalars"
    );
    let descent = cell(methods, "[`KrylovDescent`]");
    assert_eq!(vectors::<KrylovDescent<f32, 1, Unpreconditioned>>(), 5);
    assert!(
        descent.starts_with("K + 4, + 1 for [`Jacobi`]")
            && descent.contains(" or [`Martens`]")
            && descent.ends_with("; and 3(K + 1)² + 6(K + 1) scalars"),
        "{descent}"
    );
    // 1, and one for each of the two types.
    assert_eq!(
        cell(methods, "[`Gram`]"),
        "1, + 1 for [`Momentum`], + 1 for [`Woodbury`]; and [`DualStorage`](crate::DualStorage)"
    );
    let natural = cell(methods, "[`NaturalGradient`]");
    let (base, more) = natural
        .split_once(" + C, + 1 for diag(F) ")
        .expect("5 + C, + 1 for …");
    assert_eq!(
        base,
        vectors::<Natural<Cg, Unpreconditioned, Tikhonov>>().to_string()
    );
    assert!(
        more.contains("Jacobi")
            && more.contains("Marquardt")
            && more.contains(", + 1 for [`Martens`]")
    );

    assert_eq!(
        cell(methods, "[`NaturalCg`]"),
        "as natural gradient with the same types, + 1"
    );

    let solvers = include_str!("../src/krylov/mod.rs");
    let cg = cell(solvers, "[`Cg`]");
    assert!(
        cg.starts_with(&format!("{} (x, r, p, q)", <Cg as Solver<f32>>::VECTORS)),
        "{cg}"
    );
    assert!(cg.ends_with("one per checkpoint"), "{cg}");
    let minres = cell(solvers, "[`Minres`]");
    let expected = format!(
        "{} (x, v, z, y, two columns",
        <Minres as Solver<f32>>::VECTORS
    );
    assert!(minres.starts_with(&expected), "{minres}");
    let minres_qlp = cell(solvers, "[`MinresQlp`]");
    let expected = format!(
        "{} (x, v, z, y, two columns",
        <MinresQlp as Solver<f32>>::VECTORS
    );
    assert!(minres_qlp.starts_with(&expected), "{minres_qlp}");
}

/// B·I + n·U + n(n + 1)/2 + 3n + factors · (I + U), and with factors twice the inputs, of what is trained.
#[test]
fn a_system_in_output_space() {
    let model = Model::new(&[3, 5, 4, 2], Activation::Tanh, Likelihood::Categorical).unwrap();
    let dual = |factors| DualStorage {
        examples: 6,
        factors,
    };
    assert_eq!(dual(0).len(&model), 6 * 12 + 12 * 11 + 78 + 36);
    assert_eq!(
        dual(3).len(&model),
        dual(0).len(&model) + 3 * (12 + 11) + 2 * 3
    );
    let last = model.with_trained(2..3).unwrap();
    assert_eq!(dual(0).len(&last), 6 * 4 + 12 * 2 + 78 + 36);
    assert_eq!(dual(3).len(&last), dual(0).len(&last) + 3 * (4 + 2));
    assert_eq!(DualStorage::NONE.len(&model), 0);

    let rows = Pass::Product.scratch_len(&model, 4);
    let len = Trainer::<f32, Gram<f32, 6>, 4>::workspace_len(&model, Room::NONE);
    assert_eq!(len, 2 * model.params() + dual(3).len(&model) + rows);
    let len = Trainer::<f32, Gram<f32, 6, Tikhonov, Plain>, 4>::workspace_len(&last, Room::NONE);
    let rows = Pass::Product.scratch_len(&last, 4);
    assert_eq!(len, last.trained_params() + dual(0).len(&last) + rows);
}

const PLANS: [&[usize]; 6] = [
    &[1, 1],
    &[4, 3],
    &[2, 9, 1],
    &[6, 2, 5],
    &[3, 4, 2, 4],
    &[1, 8, 8, 1, 2],
];

fn model(widths: &[usize]) -> Model<'_> {
    Model::new(widths, Activation::Softplus, Likelihood::Gaussian).expect("a plan")
}

fn lengths<M: Method<f32>, const TILE: usize>(
    vectors: usize,
    scalars: usize,
    units: usize,
    widths: usize,
) {
    for plan in PLANS {
        let model = model(plan);
        let params: usize = plan.windows(2).map(|w| w[0] * w[1] + w[1]).sum();
        let sum: usize = plan.iter().sum();
        let widest = plan[1..].iter().max().expect("two widths");
        let (first, last) = (plan[0], plan[plan.len() - 1]);
        assert_eq!(
            (model.params(), model.units(), model.widest()),
            (params, sum, *widest)
        );
        assert_eq!((model.dim_in(), model.dim_out()), (first, last));

        let rows = TILE * (units * sum + widths * widest + last);
        let bare = Trainer::<f32, M, TILE>::workspace_len(&model, Room::NONE);
        assert_eq!(bare, vectors * params + scalars + rows, "{plan:?}");
        let room = Room {
            batch: 5,
            metric: 2,
            ..Room::NONE
        };
        let copied = 5 * (first + last + 1) + 2 * (first + 1);
        assert_eq!(
            Trainer::<f32, M, TILE>::workspace_len(&model, room),
            bare + copied
        );
        assert_eq!(
            Trainer::<f32, M, TILE>::bytes(&model, room),
            size_of::<Trainer<f32, M, TILE>>() + (bare + copied + params) * 4
        );
        // The workspace of that length will do, and of one less will not.
        let refused = |len: usize| {
            let (mut params, mut memory) = (vec![0.0; params], vec![0.0; len]);
            Trainer::<f32, Adam<f32>, TILE>::new(model, &mut params, &mut memory, Adam::new(0.1))
                .err()
        };
        let adam = Trainer::<f32, Adam<f32>, TILE>::workspace_len(&model, Room::NONE);
        assert_eq!(refused(adam), None);
        let shape = ShapeError {
            what: "the workspace",
            expected: adam,
            found: adam - 1,
        };
        assert_eq!(refused(adam - 1), Some(Error::Shape(shape)));
    }
}

#[test]
fn workspace_of_every_plan() {
    lengths::<Sgd<f32, Plain>, 1>(1, 0, 1, 2);
    lengths::<Sgd<f32, Nesterov>, 4>(2, 0, 1, 2);
    lengths::<Adam<f32>, 3>(3, 0, 1, 2);
    lengths::<Natural<Cg, Jacobi, Marquardt>, 1>(6, 0, 2, 2);
    lengths::<Natural<Cg<2>, Martens, Marquardt>, 8>(9, 0, 2, 2);
    lengths::<Natural<Cg, Unpreconditioned, Tikhonov>, 32>(5, 0, 2, 2);
    lengths::<Tonga<f32, 2, 3>, 4>(6, 85, 1, 2);
    lengths::<Tonga<f32, 1, 1, Centred>, 1>(4, 16, 1, 2);
    lengths::<KrylovDescent<f32, 2>, 3>(7, 45, 2, 2);
    lengths::<KrylovDescent<f32, 1, Unpreconditioned>, 32>(5, 24, 2, 2);
}

#[test]
fn sizes_saturate() {
    let widths = [usize::MAX / 4096, 1];
    let model = model(&widths);
    let room = Room {
        batch: usize::MAX,
        metric: usize::MAX,
        ..Room::NONE
    };
    assert_eq!(room.len(&model, Labels::Unused), usize::MAX);
    assert_eq!(Storage::vectors(4096 * 4).len(&model, 1), usize::MAX);
    assert_eq!(Pass::Hessian.scratch_len(&model, usize::MAX), usize::MAX);
    assert_eq!(
        Trainer::<f32, Adam<f32>, 4096>::bytes(&model, room),
        usize::MAX
    );
}

/// A pass on scratch memory of some length: its results, or its error.
type Run = fn(&Model<'_>, &mut [f32]) -> Result<Vec<f32>, Error>;

const TILE: usize = 2;
/// More than one tile, the last one not full.
const INPUTS: [f32; 15] = [
    0.5, -1.0, 2.0, 0.25, 1.5, -0.5, -2.0, 0.75, 1.0, 0.0, -1.5, 0.5, 1.25, -0.25, 3.0,
];
const VALUES: [f32; 10] = [1.0, 0.0, 0.5, -1.0, 0.25, 2.0, 0.0, 1.0, -0.5, 0.75];

fn params(model: &Model<'_>) -> Vec<f32> {
    (0_u8..)
        .map(|i| f32::from(i % 7) * 0.25 - 0.7)
        .take(model.params())
        .collect()
}

fn direction(model: &Model<'_>) -> Vec<f32> {
    (0_u8..)
        .map(|i| f32::from(i % 5) * 0.5 - 1.0)
        .take(model.params())
        .collect()
}

/// Five examples of a model with three inputs and two outputs.
const PASSES: [(Pass, Run); 11] = [
    (Pass::Outputs, |model, scratch| {
        let (params, mut out) = (params(model), vec![0.0; 10]);
        Mlp::<f32, TILE>::new(*model, &params, scratch)?.outputs(&INPUTS, &mut out)?;
        Ok(out)
    }),
    (Pass::Outputs, |model, scratch| {
        let (params, mut out) = (params(model), vec![0.0; 10]);
        Mlp::<f32, TILE>::new(*model, &params, scratch)?.predict(&INPUTS, &mut out)?;
        Ok(out)
    }),
    (Pass::Loss, |model, scratch| {
        let params = params(model);
        let loss = Mlp::<f32, TILE>::new(*model, &params, scratch)?.loss(&batch())?;
        Ok(vec![loss])
    }),
    (Pass::Gradient, |model, scratch| {
        let (params, mut out) = (params(model), direction(model));
        let loss = Mlp::<f32, TILE>::new(*model, &params, scratch)?.gradient(&batch(), &mut out)?;
        out.push(loss);
        Ok(out)
    }),
    (Pass::Jvp, |model, scratch| {
        let (params, mut out) = (params(model), vec![0.0; 10]);
        let mut mlp = Mlp::<f32, TILE>::new(*model, &params, scratch)?;
        mlp.jvp(&INPUTS, &direction(model), &mut out)?;
        Ok(out)
    }),
    (Pass::Vjp, |model, scratch| {
        let (params, mut out) = (params(model), direction(model));
        Mlp::<f32, TILE>::new(*model, &params, scratch)?.vjp(&INPUTS, &VALUES, &mut out)?;
        Ok(out)
    }),
    (Pass::Hessian, |model, scratch| {
        let (params, mut out) = (params(model), direction(model));
        let mut mlp = Mlp::<f32, TILE>::new(*model, &params, scratch)?;
        let quad = mlp.hvp(&batch(), &direction(model), &mut out)?;
        out.push(quad);
        Ok(out)
    }),
    (Pass::Hessian, |model, scratch| {
        let params = params(model);
        let mlp = Mlp::<f32, TILE>::new(*model, &params, scratch)?;
        Ok(product(model, &mut Hessian::new(mlp, batch())?))
    }),
    (Pass::Product, |model, scratch| {
        let params = params(model);
        let mut fisher = Fisher::new(Mlp::<f32, TILE>::new(*model, &params, scratch)?, batch())?;
        let mut out = product(model, &mut fisher);
        let mut diagonal = params.clone();
        fisher.diagonal(&mut diagonal);
        out.extend(diagonal);
        Ok(out)
    }),
    (Pass::Product, |model, scratch| {
        let params = params(model);
        let mlp = Mlp::<f32, TILE>::new(*model, &params, scratch)?;
        let mut empirical = EmpiricalFisher::new(mlp, batch())?;
        let mut out = product(model, &mut empirical);
        let mut diagonal = params.clone();
        empirical.diagonal(&mut diagonal);
        out.extend(diagonal);
        Ok(out)
    }),
    (Pass::Product, |model, scratch| {
        let (params, mut mean) = (params(model), direction(model));
        let mlp = Mlp::<f32, TILE>::new(*model, &params, scratch)?;
        let mut covariance = GradientCovariance::new(mlp, batch(), &mut mean)?;
        Ok(product(model, &mut covariance))
    }),
];

fn batch() -> Batch<'static, f32> {
    Batch::new(&INPUTS, &VALUES)
}

fn product(model: &Model<'_>, operator: &mut dyn LinearOperator<f32>) -> Vec<f32> {
    let mut out = params(model);
    let quad = operator.apply(&direction(model), &mut out);
    out.push(quad);
    out
}

#[test]
fn scratch_memory_suffices_and_is_tight() {
    for widths in [&[3, 2][..], &[3, 6, 2], &[3, 1, 4, 2]] {
        let model = model(widths);
        for (index, (pass, run)) in PASSES.into_iter().enumerate() {
            let name = format!("pass {index}, {pass:?}, {widths:?}");
            let needed = pass.scratch_len(&model, TILE);

            // The same results from exactly as much memory as stated, from more, and whatever it held.
            let exact = run(&model, &mut vec![0.0; needed]).unwrap();
            assert!(exact.iter().all(|x| x.is_finite()) && exact.iter().any(|&x| x != 0.0));
            let mut more = vec![f32::NAN; needed];
            more.extend([7.0; 64]);
            assert_eq!(run(&model, &mut more).unwrap(), exact, "{name}");
            assert!(
                more[needed..].iter().all(|&x| x == 7.0),
                "{name}: beyond its length"
            );

            // One scalar less is refused.
            let what = "the scratch memory";
            let shape = ShapeError {
                what,
                expected: needed,
                found: needed - 1,
            };
            let refused = run(&model, &mut vec![0.0; needed - 1]);
            assert_eq!(refused, Err(Error::Shape(shape)), "{name}");
        }
    }
}

/// Multiply-accumulates of one example, layer by layer, as the passes do them.
fn count(widths: &[usize], pass: Pass) -> u64 {
    let mut sum = 0;
    for (index, layer) in widths.windows(2).enumerate() {
        let w = u64::try_from(layer[0] * layer[1]).unwrap();
        // What goes through to the inputs is not computed.
        let through = if index == 0 { 0 } else { w };
        let forward = w;
        // V a, W Ra
        let tangent = w + through;
        // δ aᵀ, Wᵀδ
        let backward = w + through;
        // Rδ aᵀ, and δ Raᵀ, Vᵀδ, WᵀRδ, Wᵀδ
        let backward_tangent = w + 4 * through;
        sum += match pass {
            Pass::Outputs | Pass::Loss => forward,
            Pass::Gradient | Pass::Vjp => forward + backward,
            Pass::Jvp => forward + tangent,
            Pass::Product => forward + tangent + backward,
            Pass::Hessian => forward + tangent + backward_tangent,
        };
    }
    sum
}

#[test]
fn multiply_accumulates_of_the_passes() {
    use Pass::{Gradient, Hessian, Jvp, Loss, Outputs, Product, Vjp};
    for widths in PLANS {
        for pass in [Outputs, Loss, Gradient, Jvp, Vjp, Product, Hessian] {
            assert_eq!(
                model(widths).macs(pass),
                count(widths, pass),
                "{pass:?} {widths:?}"
            );
        }
    }
}

const WIDTHS: [usize; 3] = [3, 4, 2];

/// The multiply-accumulates that a natural step reports, and those counted from what it shows.
fn step_macs(batch: Batch<'_, f32>, metric: Metric<'_, f32>, examples: u64, metric_examples: u64) {
    let model = model(&WIDTHS);
    let mut params = params(&model);
    // No room for activations: every product has its forward pass.
    let len = Trainer::<f32, NaturalGradient<f32>, 2>::workspace_len(&model, Room::NONE);
    let mut memory = vec![0.0; len];
    let method = NaturalGradient::<f32> {
        damping: Damping {
            initial: 1e3,
            policy: DampingPolicy::Constant,
            ..Damping::default()
        },
        ..Default::default()
    };
    let mut trainer =
        Trainer::<f32, NaturalGradient<f32>, 2>::new(model, &mut params, &mut memory, method)
            .unwrap();
    let mut trials = 0;
    let report = trainer
        .step_with(batch, metric, &mut |progress| {
            trials += u64::from(matches!(progress, Progress::Trial { .. }));
        })
        .unwrap();
    let solve = report.solve.unwrap();
    assert_eq!((solve.attempts, trials), (1, 1));
    let products = u64::from(solve.solve.last.count);
    let expected = examples * (count(&WIDTHS, Pass::Gradient) + count(&WIDTHS, Pass::Loss))
        + metric_examples * 2 * count(&WIDTHS, Pass::Vjp)
        + metric_examples * (products * count(&WIDTHS, Pass::Product) + count(&WIDTHS, Pass::Jvp));
    assert_eq!(report.macs, expected);
}

/// The same of a step in a subspace of `VECTORS` Krylov vectors, the second of two: its basis has one more.
fn subspace_macs(batch: Batch<'_, f32>, metric: Metric<'_, f32>, examples: u64, on: u64) {
    const VECTORS: usize = 2;
    type Method = KrylovDescent<f32, VECTORS>;
    let model = model(&WIDTHS);
    let mut params = params(&model);
    let len = Trainer::<f32, Method, 2>::workspace_len(&model, Room::NONE);
    let mut memory = vec![0.0; len];
    let mut trainer =
        Trainer::<f32, Method, 2>::new(model, &mut params, &mut memory, Method::default()).unwrap();
    for vectors in [2, 3] {
        let mut trials = 0;
        let report = trainer
            .step_with(batch, metric, &mut |progress| {
                trials += u64::from(matches!(progress, Progress::Trial { .. }));
            })
            .unwrap();
        assert!(trials > 1, "{report:?}");
        let expected = (1 + trials) * examples * count(&WIDTHS, Pass::Gradient)
            + on * 2 * count(&WIDTHS, Pass::Vjp)
            + vectors * on * count(&WIDTHS, Pass::Product);
        assert_eq!(report.macs, expected);
    }
}

#[test]
fn multiply_accumulates_of_a_step_in_a_subspace() {
    subspace_macs(batch(), Metric::Same, 5, 5);
    subspace_macs(batch(), Metric::Leading(3), 5, 3);
    let weights = [1.0, 0.0, 0.5, 0.0, 2.0];
    subspace_macs(batch().weighted(&weights), Metric::Same, 3, 3);
}

#[test]
fn multiply_accumulates_of_a_step() {
    step_macs(batch(), Metric::Same, 5, 5);
    step_macs(batch(), Metric::Leading(3), 5, 3);
    step_macs(batch(), Metric::On(Batch::unlabelled(&INPUTS[..6])), 5, 2);
}

#[test]
fn examples_of_weight_zero_cost_nothing() {
    let weights = [1.0, 0.0, 0.5, 0.0, 2.0];
    step_macs(batch().weighted(&weights), Metric::Same, 3, 3);
}

#[test]
fn a_budget_of_ram() {
    type Learner<const TILE: usize> = Trainer<'static, f32, NaturalGradient<f32>, TILE>;
    let (model, stack) = (PLAN.model(), <NaturalGradient<f32> as Method<f32>>::STACK);
    assert_eq!(Learner::<1>::stack(), stack);
    assert_eq!(Learner::<4>::stack(), stack + 3 * 160);
    let statics = Learner::<1>::bytes(&model, ROOM);
    let needed = statics + stack;
    assert_eq!(Learner::<1>::fits(&model, ROOM, needed), Ok(()));
    let over = OverBudget {
        statics,
        stack,
        budget: needed - 1,
    };
    assert_eq!(Learner::<1>::fits(&model, ROOM, needed - 1), Err(over));
    assert_eq!(
        over.to_string(),
        format!(
            "training takes {needed} bytes of RAM, {stack} of them stack: 1 more than the budget of {}",
            needed - 1
        )
    );
}

#[test]
fn the_longest_sentence_of_a_broken_budget_is_whole() {
    let most = usize::MAX;
    let over = OverBudget {
        statics: most,
        stack: most,
        budget: 1_000_000_000,
    };
    let more = most - 1_000_000_000;
    assert_eq!(
        over.message().as_str(),
        format!(
            "training takes {most} bytes of RAM, {most} of them stack: {more} more than the budget of 1000000000"
        )
    );
}
