//! The report of a reproduction: a page, and the same numbers for machines.
//!
//! | file | what |
//! |---|---|
//! | `index.html` | claims and verdicts, then every experiment with its plots; needs nothing else |
//! | `results.json` | the same claims, and every run with its numbers |
//! | `NAME.csv` | every number of the experiment of that name |
//! | `timings.csv` | how long every run took |
//!
//! The same runs give the same bytes, `timings.csv` apart.

mod page;
mod tables;

use std::path::Path;

use crate::error::Error;
use crate::experiment::{
    About, Analysis, Archive, Confirmation, Estimate, Experiment, Favours, Hypothesis, Key,
    Results, Role, Scale, Verdict,
};
use crate::files::write_atomic;

/// Everything that the report shows.
pub struct Report<'a> {
    archive: &'a Archive,
    scale: Scale,
    /// The runs that were planned.
    planned: usize,
    /// Those of them that are not there.
    missing: Vec<Key>,
    sections: Vec<Section>,
}

/// What the report shows of an experiment.
struct Section {
    about: &'static About,
    settings: Vec<(&'static str, String)>,
    seeds: usize,
    claims: Vec<Claim>,
    analysis: Analysis,
    choices: Vec<(&'static str, Option<Confirmation>)>,
}

/// A hypothesis with what the runs say.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What was claimed.
    pub hypothesis: &'static Hypothesis,
    /// What was measured.
    pub effect: Estimate,
    /// Whether the one bears out the other.
    pub verdict: Verdict,
}

impl Claim {
    /// Whether natural gradient loses here.
    fn is_loss(&self) -> bool {
        match self.hypothesis.favours {
            Favours::Natural => self.verdict == Verdict::Contradicted,
            Favours::Rival => self.verdict == Verdict::Supported,
            Favours::Nobody => false,
        }
    }
}

impl<'a> Report<'a> {
    /// The report of all that was planned and run of the experiments of `registry`.
    ///
    /// # Errors
    /// [`Error::Option`], when nothing was planned.
    pub fn new(archive: &'a Archive, registry: &[&dyn Experiment]) -> Result<Self, Error> {
        let Some(plan) = archive.plan() else {
            return Err(Error::option("report", "there are no runs to report"));
        };
        let mut planned: Vec<Key> = archive
            .plans()
            .iter()
            .flat_map(|plan| plan.parts(registry))
            .flat_map(|part| part.runs)
            .map(|run| run.key)
            .collect();
        planned.sort();
        planned.dedup();
        let in_a_plan = |experiment: &&&dyn Experiment| {
            let name = experiment.about().name;
            let plans = archive.plans().iter();
            plans
                .flat_map(|plan| &plan.experiments)
                .any(|planned| planned == name)
        };
        let sections = registry
            .iter()
            .filter(in_a_plan)
            .map(|experiment| {
                let results = Results::new(archive, experiment.about().name, plan.setup.scale);
                let grids = experiment.grids(&plan.setup);
                let choice = |grid| results.confirmation(grid);
                Section {
                    about: experiment.about(),
                    settings: experiment.settings(&plan.setup),
                    seeds: results.seeds(),
                    choices: grids
                        .iter()
                        .map(|grid| (grid.method, choice(grid)))
                        .collect(),
                    analysis: experiment.analyse(&results),
                    claims: Vec::new(),
                }
                .judged()
            })
            .collect();
        Ok(Self {
            archive,
            scale: plan.setup.scale,
            planned: planned.len(),
            missing: planned
                .into_iter()
                .filter(|key| !archive.contains(key))
                .collect(),
            sections,
        })
    }

    /// All claims, in the order of the report.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.sections.iter().flat_map(|section| &section.claims)
    }

    /// How many of the planned runs are not there.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Writes all files into the directory `folder`, which is there.
    ///
    /// # Errors
    /// [`Error::File`], when one of them cannot be written; [`Error::Plot`], when the drawing library fails.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        for section in &self.sections {
            let name = section.about.name;
            let table = tables::numbers(self.archive, name);
            write_atomic(&folder.join(format!("{name}.csv")), &table)?;
        }
        write_atomic(&folder.join("timings.csv"), &tables::timings(self.archive))?;
        write_atomic(&folder.join("results.json"), &tables::results(self))?;
        let page = page::page(self)?.into_string();
        write_atomic(&folder.join("index.html"), page.as_bytes())
    }

    fn runs(&self, role: Role) -> usize {
        let runs = self.archive.runs();
        runs.filter(|record| record.key.role == role).count()
    }
}

impl Section {
    /// With the verdicts on its hypotheses. An effect that the analysis does not give is that of no run.
    fn judged(mut self) -> Self {
        let effect = |id: &str| {
            let effects = self.analysis.effects.iter();
            let mut of_that_id = effects.filter(|(known, _)| *known == id);
            of_that_id
                .next()
                .map_or(Estimate::unknown(0), |(_, effect)| *effect)
        };
        let claim = |hypothesis: &'static Hypothesis| {
            let effect = effect(hypothesis.id);
            Claim {
                hypothesis,
                effect,
                verdict: hypothesis.threshold.verdict(&effect),
            }
        };
        self.claims = self.about.hypotheses.iter().map(claim).collect();
        self
    }
}

#[cfg(test)]
mod tests;
