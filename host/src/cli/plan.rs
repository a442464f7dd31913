//! `natgrad plan`.

use std::process::ExitCode;

use clap::Args;
use natgrad::optimizer::{StepCosts, StepSolver};
use natgrad::{Activation, Likelihood, Model};

use super::method::{DIRECTIONS, Method, Task, at_least_one};
use super::options::{DatasetWord, Meaning, Net, Origin, PrecisionWord, fits, model, shape};
use super::report;
use crate::data::{Builtin, Scale};
use crate::error::Error;
use crate::files::Precision;
use crate::training::{
    DualMetrics, Footprint, Gram, Inverses, Metrics, Moments, Natural, Optimizer, Plane,
    Preconditioning, Solvers, Tonga, footprint, step_costs,
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The widths, inputs first, such as 64-32-10 [default: the data set's]
    #[arg(long, value_name = "WIDTHS", allow_hyphen_values = true)]
    net: Option<Net>,
    /// The embedded data set that the network is for
    #[arg(long, value_enum)]
    dataset: Option<DatasetWord>,
    #[command(flatten)]
    meaning: Meaning,
    #[command(flatten)]
    method: Method,
    /// Examples per gradient
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,
    /// Examples of the metric [default: the batch]
    #[arg(long, value_name = "N")]
    metric_batch: Option<usize>,
    /// Examples computed at once: 1, 4, 16 or 32
    #[arg(long, default_value_t = 1)]
    tile: usize,
    #[arg(long, value_enum, default_value = "f32")]
    precision: PrecisionWord,
    /// The bytes of RAM that training may take, for the choice of a solver [default: any number]
    #[arg(long, value_name = "BYTES")]
    ram: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    let builtin = options.dataset.map(Builtin::from);
    let widths = match (&options.net, builtin) {
        (Some(net), _) => net.0.clone(),
        (None, Some(set)) => set.widths().to_vec(),
        (None, None) => return Err(Error::option("--net", "is needed, such as --net 64-32-10")),
    };
    let activation = options.meaning.activation().unwrap_or(Activation::Tanh);
    let likelihood = options
        .meaning
        .likelihood()
        .or(builtin.map(Builtin::likelihood))
        .unwrap_or(Likelihood::Gaussian);
    let model = model(Origin::Net, &widths, activation, likelihood)?;
    if let Some(builtin) = builtin {
        fits(builtin, &shape(&model))?;
    }
    let batch = at_least_one("--batch", options.batch)?;
    let task = Task {
        batch,
        metric_batch: options.method.metric_batch(options.metric_batch)?,
        l2: 0.0,
    };
    let metric_batch = task.metric_batch.unwrap_or(batch);
    // A device's inputs are raw unless its user says otherwise.
    let metric = match builtin.map(Builtin::scale) {
        Some(Scale::Standard) => Metrics::Identity,
        Some(Scale::None) | None => Metrics::Diagonal,
    };
    let precision = options.precision.into();
    let chosen = options.method.optimizer(metric, task, precision)?;
    let measure = |optimizer: &Optimizer| match precision {
        Precision::F32 => footprint::<f32>(model, optimizer, options.tile, batch, metric_batch),
        Precision::F64 => footprint::<f64>(model, optimizer, options.tile, batch, metric_batch),
    };
    let cost = measure(&chosen)?;
    let scalar = match precision {
        Precision::F32 => size_of::<f32>(),
        Precision::F64 => size_of::<f64>(),
    };
    let solvers = Solvable {
        costs: match precision {
            Precision::F32 => step_costs::<f32>(&model, options.tile, batch, iterations(&chosen)),
            Precision::F64 => step_costs::<f64>(&model, options.tile, batch, iterations(&chosen)),
        }?,
        iterations: iterations(&chosen),
        ram: options.ram,
    };
    if options.json {
        let mut object = serde_json::Map::new();
        object.insert("params".into(), model.params().into());
        object.insert("params_bytes".into(), (model.params() * scalar).into());
        object.insert("workspace_bytes".into(), (cost.workspace * scalar).into());
        object.insert("vectors".into(), cost.vectors.into());
        object.insert("macs_per_step".into(), cost.macs.into());
        solvers.insert_into(&mut object);
        report::json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    table(&model, options, &chosen, cost, scalar, measure)?;
    solvers.tell()?;
    Ok(ExitCode::SUCCESS)
}

fn table(
    model: &Model<'_>,
    options: &Options,
    chosen: &Optimizer,
    cost: Footprint,
    scalar: usize,
    measure: impl Fn(&Optimizer) -> Result<Footprint, Error>,
) -> Result<(), Error> {
    let params = model.params();
    report::result(&format!(
        "{params} parameters in {} bytes; batch {}, tile {}",
        params * scalar,
        options.batch,
        options.tile
    ))?;
    report::result(&format!(
        "{:34} {:>7} {:>15} {:>9} {:>14}",
        "method", "vectors", "workspace bytes", "RAM bytes", "MACs per step"
    ))?;
    let row = |name: &str, cost: Footprint| {
        report::result(&format!(
            "{name:34} {:>7} {:>15} {:>9} {:>14}",
            cost.vectors,
            cost.workspace * scalar,
            (params + cost.workspace) * scalar,
            cost.macs
        ))
    };
    row("as asked for", cost)?;
    let natural = |metric, preconditioner| {
        Optimizer::Natural(Natural {
            preconditioner,
            iterations: iterations(chosen),
            ..Natural::new(metric)
        })
    };
    let others = [
        ("sgd", Optimizer::Sgd(0.1)),
        ("momentum, nesterov", Optimizer::Momentum(0.1, 0.9)),
        ("adam", Optimizer::Adam(0.01)),
        (
            "natural, identity, no precond.",
            natural(Metrics::Identity, Preconditioning::None),
        ),
        (
            "natural, identity, jacobi",
            natural(Metrics::Identity, Preconditioning::Jacobi),
        ),
        (
            "natural, identity, martens",
            natural(Metrics::Identity, Preconditioning::Martens),
        ),
        (
            "natural, diagonal, jacobi",
            natural(Metrics::Diagonal, Preconditioning::Jacobi),
        ),
        (
            "natcg-l, identity, jacobi",
            Optimizer::NaturalCg(Natural::new(Metrics::Identity), Plane::Local),
        ),
        (
            "natcg-f, identity, jacobi",
            Optimizer::NaturalCg(Natural::new(Metrics::Identity), Plane::Full),
        ),
        ("natsgd", Optimizer::Natural(Natural::nat_sgd(Solvers::Cg))),
        (
            "hessian-free",
            Optimizer::Natural(Natural::hessian_free(45.0, Metrics::Identity)),
        ),
        (
            "gram",
            Optimizer::Gram(Gram::new(
                options.batch,
                DualMetrics::Kronecker,
                Inverses::PushThrough,
            )),
        ),
        ("newton", Optimizer::Natural(Natural::newton())),
        (
            "krylov-descent, 8 vectors",
            Optimizer::KrylovDescent(DIRECTIONS),
        ),
        (
            "tonga, 10 eigenvectors",
            Optimizer::Tonga(Tonga {
                rate: 0.1,
                damping: 1.0,
                forgetting: 0.99,
                moment: Moments::Uncentred,
            }),
        ),
    ];
    for (name, optimizer) in &others {
        row(name, measure(optimizer)?)?;
    }
    report::result(
        "RAM is parameters and workspace; the trainer itself is `size_of` its type on the device.\n\
         MACs of natural gradient are those of a step that uses all iterations and succeeds at once.",
    )
}

/// The iterations that the solver of a method may take.
fn iterations(optimizer: &Optimizer) -> u16 {
    match optimizer {
        Optimizer::Natural(natural) | Optimizer::NaturalCg(natural, _) => natural.iterations,
        _ => Natural::new(Metrics::Identity).iterations,
    }
}

/// The ways to solve for a step of natural gradient, beside one another.
struct Solvable {
    costs: StepCosts,
    iterations: u16,
    ram: Option<usize>,
}

impl Solvable {
    const SOLVERS: [StepSolver; 3] = [StepSolver::Gram, StepSolver::Cg, StepSolver::Dense];

    const fn word(solver: StepSolver) -> &'static str {
        match solver {
            StepSolver::Gram => "gram",
            StepSolver::Cg => "cg",
            StepSolver::Dense => "dense",
        }
    }

    fn cheapest(&self) -> Option<&'static str> {
        let solver = self.costs.cheapest(self.ram.unwrap_or(usize::MAX));
        solver.map(Self::word)
    }

    fn insert_into(&self, object: &mut serde_json::Map<String, serde_json::Value>) {
        let mut solvers = serde_json::Map::new();
        for solver in Self::SOLVERS {
            let cost = self.costs.of(solver);
            let mut of_solver = serde_json::Map::new();
            of_solver.insert("macs_per_step".into(), cost.macs.into());
            of_solver.insert("ram_bytes".into(), cost.bytes.into());
            if let Some(ram) = self.ram {
                of_solver.insert("fits".into(), (cost.bytes <= ram).into());
            }
            solvers.insert(Self::word(solver).into(), of_solver.into());
        }
        object.insert("solvers".into(), solvers.into());
        object.insert("solver".into(), self.cheapest().into());
    }

    fn tell(&self) -> Result<(), Error> {
        let fits = match self.ram {
            Some(ram) => format!("  fits in {ram}"),
            None => String::new(),
        };
        report::result(&format!(
            "\n{:34} {:>14} {:>14}{fits}",
            "solver of a natural step", "MACs per step", "RAM, all in all"
        ))?;
        for solver in Self::SOLVERS {
            let cost = self.costs.of(solver);
            let name = match solver {
                StepSolver::Gram => "gram, in output space".to_string(),
                StepSolver::Cg => format!("cg, {} iterations", self.iterations),
                StepSolver::Dense => "dense (no method here)".to_string(),
            };
            let fits = match self.ram {
                Some(ram) if cost.bytes <= ram => "  yes",
                Some(_) => "  no",
                None => "",
            };
            report::result(&format!(
                "{name:34} {:>14} {:>14}{fits}",
                cost.macs, cost.bytes
            ))?;
        }
        report::result(&match (self.cheapest(), self.ram) {
            (Some(solver), _) => format!("the fewest MACs of those that fit: {solver}"),
            (None, ram) => format!("none of them fits in {} bytes", ram.unwrap_or(usize::MAX)),
        })?;
        report::result(
            "RAM, all in all, is parameters, workspace, the trainer as large as it is here, and its stack.",
        )
    }
}
