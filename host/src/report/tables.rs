//! The numbers for machines: JSON, and CSV in the long form.

use serde_json::{Value, json};

use super::Report;
use crate::experiment::{Archive, Estimate, Record};

/// A row per number: `role,arm,seed,quantity,x,value`. x is empty but for a point of a curve; the value is
/// empty where a run diverged.
pub(super) fn numbers(archive: &Archive, experiment: &str) -> Vec<u8> {
    let mut rows = vec![["role", "arm", "seed", "quantity", "x", "value"].map(String::from)];
    for record in archive.runs() {
        let key = &record.key;
        if key.experiment != experiment {
            continue;
        }
        let mut row = |quantity: &str, x: String, value: Option<f64>| {
            rows.push([
                key.role.word().into(),
                key.arm.clone(),
                key.seed.to_string(),
                quantity.into(),
                x,
                value.map_or(String::new(), |value| value.to_string()),
            ]);
        };
        for (name, value) in record.outcome.scalars() {
            row(name, String::new(), value);
        }
        for (name, points) in record.outcome.series() {
            for (x, value) in points {
                row(name, x.to_string(), *value);
            }
        }
    }
    csv(rows)
}

/// A row per run: `experiment,role,arm,seed,seconds`.
pub(super) fn timings(archive: &Archive) -> Vec<u8> {
    let head = ["experiment", "role", "arm", "seed", "seconds"].map(String::from);
    let row = |record: &Record| {
        let key = &record.key;
        [
            key.experiment.clone(),
            key.role.word().into(),
            key.arm.clone(),
            key.seed.to_string(),
            format!("{:.3}", record.seconds),
        ]
    };
    csv(std::iter::once(head).chain(archive.runs().map(row)))
}

fn csv<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Rows of one length into memory: nothing can go wrong.
        let _ = writer.write_record(row);
    }
    writer.into_inner().unwrap_or_default()
}

/// Claims and runs. A number that is not finite is `null`.
pub(super) fn results(report: &Report<'_>) -> Vec<u8> {
    let finite = |value: f64| Value::from(value);
    let effect = |effect: &Estimate| {
        json!({
            "value": finite(effect.value),
            "low": finite(effect.low),
            "high": finite(effect.high),
            "seeds": effect.n,
        })
    };
    let experiment = |section: &super::Section| {
        let claims = section.claims.iter().map(|claim| {
            json!({
                "id": claim.hypothesis.id,
                "claim": claim.hypothesis.claim,
                "measure": claim.hypothesis.effect,
                "threshold": claim.hypothesis.threshold,
                "favours": claim.hypothesis.favours,
                "effect": effect(&claim.effect),
                "verdict": claim.verdict,
            })
        });
        let choices = section.choices.iter().map(|(method, confirmation)| {
            let confirmation = confirmation.as_ref().map(|confirmation| {
                let scores = confirmation.scores.iter();
                let scores: Vec<Value> = scores
                    .map(|(setting, score)| json!({"setting": setting, "score": effect(score)}))
                    .collect();
                json!({
                    "chosen": confirmation.chosen,
                    "best": confirmation.best,
                    "scores": scores,
                })
            });
            json!({"method": method, "tuning": confirmation})
        });
        let settings: serde_json::Map<String, Value> = section
            .settings
            .iter()
            .map(|(name, value)| ((*name).to_string(), Value::from(value.as_str())))
            .collect();
        let runs = report.archive.runs();
        let runs = runs
            .filter(|record| record.key.experiment == section.about.name)
            .map(|record| {
                json!({
                    "role": record.key.role,
                    "arm": record.key.arm,
                    "seed": record.key.seed,
                    "outcome": record.outcome.without_clocks(),
                })
            });
        json!({
            "name": section.about.name,
            "settings": settings,
            "claims": claims.collect::<Vec<Value>>(),
            "choices": choices.collect::<Vec<Value>>(),
            "runs": runs.collect::<Vec<Value>>(),
        })
    };
    let results = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "scale": report.scale,
        "missing": report.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "experiments": report.sections.iter().map(experiment).collect::<Vec<Value>>(),
    });
    let mut text = results.to_string().into_bytes();
    text.push(b'\n');
    text
}
