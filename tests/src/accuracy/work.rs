//! The runs of the host, in parallel, with a progress bar.

use accuracy::{Batches, CAPACITIES, TASKS, Task};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::grid::{self, Family};
use super::record::{Curve, Entry, Name, Row, Trial};
use super::{Choice, GRID_SEEDS, Method, Run, most_of, simulate, start};

/// The tasks whose curves are drawn, and the rows: further runs, which go on to the end of their budgets.
const DRAWN: [(&str, bool); 5] = [
    ("sensor", false),
    ("sensor", true),
    ("Tecator", false),
    ("Tecator", true),
    ("wine", false),
];
const DRAWN_ROWS: [Row; 4] = [Row::Spring, Row::CgBest, Row::AdamBest, Row::Lbfgs];

/// The points of a curve.
const POINTS: u32 = 60;

/// A run to be made.
#[derive(Clone, Copy)]
struct Job {
    task: &'static Task,
    choice: Choice,
    seed: u64,
    /// Whether it ends where it has reached all accuracies.
    ends: bool,
}

impl Job {
    /// The run, and its best losses so far where it does not end early.
    fn run(&self) -> (Run, Vec<(u64, f32)>) {
        if self.ends {
            return (
                simulate(self.task, self.choice, self.seed, &mut |_| {}),
                Vec::new(),
            );
        }
        let mut run = Run {
            held_out: f32::NAN,
            ..Run::default()
        };
        let (mut curve, mut least) = (Vec::new(), f32::INFINITY);
        let mut watch = |point: &accuracy::Point| {
            run.end = *point;
            run.arrival.note(self.task, point);
            if point.loss < least {
                least = point.loss;
                curve.push((point.macs, least));
            }
            true
        };
        let held_out = start(self.task, self.choice, self.seed, &mut watch);
        run.held_out = held_out.unwrap_or(f32::NAN);
        (run, curve)
    }
}

fn all(what: &'static str, jobs: &[Job]) -> Vec<(Run, Vec<(u64, f32)>)> {
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {elapsed} + {eta}");
    let bar = ProgressBar::new(jobs.len() as u64).with_message(what);
    let bar = style.map_or(bar.clone(), |style| bar.with_style(style));
    // One by one, so that a long run does not hold up a queue of others.
    let jobs = jobs.par_iter().with_max_len(1);
    let runs = jobs.map(|job| {
        let run = job.run();
        bar.inc(1);
        run
    });
    let runs = runs.collect();
    bar.finish();
    runs
}

/// All trials of the grid, of which some may be known.
pub fn trials(known: &[Trial]) -> Vec<Trial> {
    let [first, rest @ ..] = GRID_SEEDS;
    let mut jobs = Vec::new();
    for task in &TASKS {
        let settings = grid::settings(task).into_iter();
        jobs.extend(settings.map(|choice| Job {
            task,
            choice,
            seed: first,
            ends: true,
        }));
    }
    let mut trials = tried("grid", &jobs, known);
    let mut jobs = Vec::new();
    for task in &TASKS {
        for choice in grid::shortlist(&of_task(&trials, task)) {
            jobs.extend(rest.map(|seed| Job {
                task,
                choice,
                seed,
                ends: true,
            }));
        }
    }
    trials.extend(tried("best of the grid", &jobs, known));
    trials
}

fn tried(what: &'static str, jobs: &[Job], known: &[Trial]) -> Vec<Trial> {
    let find = |job: &Job| {
        let mut known = known.iter();
        known
            .find(|trial| trial.is(job.task, job.choice, job.seed))
            .cloned()
    };
    let (mut trials, mut unknown) = (Vec::new(), Vec::new());
    for &job in jobs {
        match find(&job) {
            Some(trial) => trials.push(trial),
            None => unknown.push(job),
        }
    }
    let runs = all(what, &unknown);
    let runs = unknown.iter().zip(runs);
    trials.extend(runs.map(|(job, (run, _))| Trial::new(job.task, job.choice, job.seed, &run)));
    trials.sort_by_key(Trial::order);
    trials
}

fn of_task<'t>(trials: &'t [Trial], task: &Task) -> Vec<&'t Trial> {
    let name = Name::of(task);
    trials.iter().filter(|trial| trial.name() == name).collect()
}

/// The setting of a row for the `index`-th accuracy.
fn choice(trials: &[&Trial], task: &Task, row: Row, index: usize) -> Option<Choice> {
    let default_of = |method| Some(Choice::default_of(method, task));
    match row {
        Row::Gram => default_of(Method::Exact),
        Row::Spring => default_of(Method::Spring),
        Row::SpringSmall => {
            let mut choice = Choice::default_of(Method::Spring, task);
            let [_, small] = CAPACITIES;
            choice.setting.batches = Batches::GrowingTo(u16::try_from(small).ok()?);
            (most_of(Choice::default_of(Method::Spring, task)) > small).then_some(choice)
        }
        Row::Cg => default_of(Method::Cg),
        Row::CgBest => grid::best(trials, Family::Cg, index),
        Row::Adam => default_of(Method::Adam),
        Row::AdamBest => grid::best(trials, Family::Adam, index),
        Row::Sgd => default_of(Method::Sgd),
        Row::SgdBest => grid::best(trials, Family::Descent, index),
        Row::Lbfgs => default_of(Method::Lbfgs),
    }
}

/// The runs of some rows from so many seeds, and their curves.
pub fn entries(trials: &[Trial], rows: &[Row], seeds: u64) -> (Vec<Entry>, Vec<Curve>) {
    let mut jobs: Vec<Job> = Vec::new();
    // Which job is counted for which entry.
    let mut places: Vec<(Row, usize, usize)> = Vec::new();
    let mut curves: Vec<(Row, &'static Task, Vec<usize>)> = Vec::new();
    for task in &TASKS {
        let trials = of_task(trials, task);
        for &row in rows {
            let chosen = [0, 1, 2].map(|index| choice(&trials, task, row, index));
            for seed in 1..=seeds {
                let first = jobs.len();
                for (index, choice) in chosen.into_iter().enumerate() {
                    let Some(choice) = choice else { continue };
                    let known = jobs[first..].iter().position(|job| job.choice == choice);
                    let place = known.map_or(jobs.len(), |known| first + known);
                    if known.is_none() {
                        jobs.push(Job {
                            task,
                            choice,
                            seed,
                            ends: true,
                        });
                    }
                    places.push((row, index, place));
                }
            }
            if DRAWN.contains(&(task.name, task.standardised)) && DRAWN_ROWS.contains(&row) {
                let first = jobs.len();
                for seed in 1..=seeds {
                    let mut settings: Vec<Choice> = Vec::new();
                    for choice in chosen.into_iter().flatten() {
                        if !settings.contains(&choice) {
                            settings.push(choice);
                        }
                    }
                    jobs.extend(settings.into_iter().map(|choice| Job {
                        task,
                        choice,
                        seed,
                        ends: false,
                    }));
                }
                curves.push((row, task, (first..jobs.len()).collect()));
            }
        }
    }
    let runs = all("seeds", &jobs);
    let entries = places.iter().map(|&(row, index, place)| {
        let (job, (run, _)) = (&jobs[place], &runs[place]);
        Entry::new(job.task, row, index, job.choice, job.seed, run)
    });
    let entries = entries.collect();
    let curves = curves.iter().flat_map(|(row, task, places)| {
        // Of several settings that of the least loss at each place: no setting is the best everywhere.
        let of_seed = (1..=seeds).map(|seed| {
            let places = places.iter().filter(|&&place| jobs[place].seed == seed);
            places
                .map(|&place| runs[place].1.as_slice())
                .collect::<Vec<_>>()
        });
        drawn(task, *row, &of_seed.collect::<Vec<_>>())
    });
    (entries, curves.collect())
}

/// The quartiles over the seeds, each of which has some curves.
fn drawn(task: &Task, row: Row, seeds: &[Vec<&[(u64, f32)]>]) -> Vec<Curve> {
    let (from, to) = (task.gradient_macs(), task.budget());
    let at = |step: u32| {
        let share = f64::from(step) / f64::from(POINTS - 1);
        whole(wide(from) * (wide(to) / wide(from)).powf(share))
    };
    let points = (0..POINTS).map(at).filter_map(|macs| {
        let best = |curves: &Vec<&[(u64, f32)]>| {
            let reached = curves.iter().filter_map(|curve| {
                let before = curve.iter().take_while(|(spent, _)| *spent <= macs);
                before.last().map(|(_, loss)| *loss)
            });
            reached.fold(f32::INFINITY, f32::min)
        };
        let mut losses: Vec<f32> = seeds.iter().map(best).collect();
        losses.sort_by(f32::total_cmp);
        let quartile = |quarter: usize| losses.get((losses.len() - 1) * quarter / 4).copied();
        let Name { task, inputs } = Name::of(task);
        Some(Curve {
            task,
            inputs,
            row,
            macs,
            low: quartile(1)?,
            median: quartile(2)?,
            high: quartile(3)?,
        })
    });
    points.collect()
}

#[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
fn wide(macs: u64) -> f64 {
    macs as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and a place in a drawing"
)]
fn whole(macs: f64) -> u64 {
    macs as u64
}
