//! The page: one file, without a script, for a phone or a wide window, in light or dark.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Claim, Report, Section};
use crate::error::Error;
use crate::experiment::{Confirmation, Figure, Role, Scale, Table, Verdict};
use crate::plot;

const STYLE: &str = include_str!("style.css");

pub(super) fn page(report: &Report<'_>) -> Result<Markup, Error> {
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "natgrad: claims and what the runs say" }
                style { (PreEscaped(STYLE)) (PreEscaped(plot::STYLE)) }
            }
            body {
                main {
                    h1 { "natgrad: claims and what the runs say" }
                    (first_paragraph(report))
                    (extent(report))
                    (claims(report))
                    @for section in &report.sections { (experiment(section)?) }
                    (method())
                }
            }
        }
    })
}

/// Where natural gradient loses and what is not supported, before anything else.
fn first_paragraph(report: &Report<'_>) -> Markup {
    let all: Vec<&Claim> = report.claims().collect();
    let lost: Vec<&Claim> = all
        .iter()
        .copied()
        .filter(|claim| claim.is_loss())
        .collect();
    let refuted = |claim: &&Claim| claim.verdict == Verdict::Contradicted && !claim.is_loss();
    let refuted: Vec<&Claim> = all.iter().copied().filter(refuted).collect();
    let open = |claim: &&&Claim| claim.verdict == Verdict::NotSupported;
    let open = all.iter().filter(open).count();
    let supported = all
        .iter()
        .filter(|claim| claim.verdict == Verdict::Supported);
    html! {
        p.first {
            @if lost.is_empty() {
                "No claim for natural gradient is contradicted, and none for a rival is supported. "
            } @else {
                "Natural gradient loses, or falls short of what was claimed for it, on "
                (count(lost.len(), "claim")) ": " (list(&lost)) ". "
            }
            @if !refuted.is_empty() {
                "Contradicted, too: " (list(&refuted)) ". "
            }
            @if open > 0 {
                (open) " more " (if open == 1 { "is" } else { "are" })
                " not supported, since the interval holds both sides of the threshold or there is none. "
            }
            (supported.count()) " of " (count(all.len(), "claim")) " " (if all.len() == 1 { "is" } else { "are" })
            " supported."
        }
    }
}

/// Text in which a number stays on the line of its sign and its unit.
fn prose(text: &str) -> String {
    const KEPT: [(&str, &str); 5] = [
        (" %", "\u{a0}%"),
        (" = ", "\u{a0}=\u{a0}"),
        ("≤ ", "≤\u{a0}"),
        ("≥ ", "≥\u{a0}"),
        (" [", "\u{a0}["),
    ];
    let keep = |text: String, (loose, kept): (&str, &str)| text.replace(loose, kept);
    KEPT.into_iter().fold(text.to_string(), keep)
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// The claims, each in its own words and linked to its experiment.
fn list(claims: &[&Claim]) -> Markup {
    html! {
        @for (index, claim) in claims.iter().enumerate() {
            @if index > 0 { "; " }
            a href={ "#" (claim.hypothesis.id) } { "“" (prose(claim.hypothesis.claim)) "”" }
        }
    }
}

fn extent(report: &Report<'_>) -> Markup {
    let (judging, tuning) = (report.runs(Role::Judging), report.runs(Role::Tuning));
    let builds: BTreeSet<&str> = report
        .archive
        .plans()
        .iter()
        .map(|plan| plan.build.as_str())
        .collect();
    html! {
        @if builds.len() > 1 {
            p.notice {
                "The runs come from " (builds.len()) " different builds of this version: if the code has changed \
                 between them, delete the directory and run anew."
            }
        }
        @if report.scale == Scale::Smoke {
            p.notice {
                "This is a smoke run, which shows that everything runs. Its sizes are too small for its numbers \
                 to mean anything."
            }
        }
        @if let Some(first) = report.missing.first() {
            p.notice {
                "Incomplete: " (report.missing.len()) " of " (report.planned) " planned runs are missing, the \
                 first of them " code { (first) } ". The verdicts are of the runs that are there."
            }
        }
        p.soft {
            "natgrad " (env!("CARGO_PKG_VERSION")) ", scale " (report.scale) ", "
            (count(judging, "run")) " to judge by and " (tuning) " to tune by. Thresholds were stored before the \
             first run and have not moved since; how a verdict comes about is said " a href="#verdicts" { "below" } "."
        }
    }
}

fn claims(report: &Report<'_>) -> Markup {
    html! {
        div.scroll {
            table.claims {
                thead {
                    tr {
                        th scope="col" { "claim" }
                        th scope="col" { "threshold" }
                        th scope="col" { "effect, 95 % interval" }
                        th scope="col" { "verdict" }
                        th scope="col" { "experiment" }
                    }
                }
                tbody {
                    @for section in &report.sections {
                        @for claim in &section.claims { (row(section, claim)) }
                    }
                }
            }
        }
    }
}

fn row(section: &Section, claim: &Claim) -> Markup {
    let hypothesis = claim.hypothesis;
    let name = section.about.name;
    html! {
        tr {
            th scope="row" { (prose(hypothesis.claim)) span.measure { (hypothesis.effect) } }
            td.threshold data-label="threshold" { (hypothesis.threshold) }
            td data-label="effect, 95 % interval" { span.effect { (claim.effect) } }
            td data-label="verdict" { (verdict(claim.verdict)) }
            td data-label="experiment" { a href={ "#" (name) } { (name) } }
        }
    }
}

/// Told apart by sign and word, not by colour alone.
fn verdict(verdict: Verdict) -> Markup {
    let (class, sign) = match verdict {
        Verdict::Supported => ("supported", "✓"),
        Verdict::NotSupported => ("not-supported", "?"),
        Verdict::Contradicted => ("contradicted", "✗"),
    };
    html! { span class={ "verdict " (class) } { (sign) " " (verdict) } }
}

fn experiment(section: &Section) -> Result<Markup, Error> {
    let about = section.about;
    Ok(html! {
        section id=(about.name) {
            h2 { (about.title) }
            p { (prose(about.question)) }
            h3 { "What the paper claims" }
            p { (prose(about.paper)) }
            h3 { "Hypotheses" }
            ul {
                @for claim in &section.claims {
                    li id=(claim.hypothesis.id) {
                        (prose(claim.hypothesis.claim)) ". Measured: " (claim.hypothesis.effect) "; claimed: "
                        (prose(&claim.hypothesis.threshold.to_string())) "; seen: " span.effect { (claim.effect) } ", "
                        (verdict(claim.verdict)) "."
                    }
                }
            }
            h3 { "Protocol" }
            p { (prose(about.protocol)) }
            dl.settings {
                dt { "seeds that judge" }
                dd { (section.seeds) }
                @for (name, value) in &section.settings {
                    dt { (name) }
                    dd { (value) }
                }
            }
            h3 { "What was seen" }
            p { (prose(&section.analysis.seen)) }
            div.figures {
                @for figure in &section.analysis.figures { (drawn(figure)?) }
            }
            @for table in &section.analysis.tables { (tabled(table)) }
            @if !section.choices.is_empty() { (choices(section)) }
            p.soft { "All numbers: " a href={ (about.name) ".csv" } { (about.name) ".csv" } "." }
        }
    })
}

/// A figure; one against the clock is marked, since it is another one every time.
fn drawn(figure: &Figure) -> Result<Markup, Error> {
    Ok(html! {
        figure class=[figure.plot.is_timed().then_some("timed")] {
            (figure.plot.to_figure()?)
            figcaption { (prose(&figure.caption)) }
        }
    })
}

fn tabled(table: &Table) -> Markup {
    html! {
        figure.table {
            figcaption { (prose(&table.caption)) }
            div.scroll {
                table.numbers {
                    thead { tr { @for name in &table.head { th scope="col" { (name) } } } }
                    tbody {
                        @for row in &table.rows {
                            tr {
                                @for (index, cell) in row.iter().enumerate() {
                                    @if index == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn choices(section: &Section) -> Markup {
    let tuned = || {
        let choices = section.choices.iter();
        choices.filter_map(|(method, tuning)| Some((method, tuning.as_ref()?)))
    };
    let borne_out = tuned().filter(|(_, tuning)| tuning.best.as_ref() == Some(&tuning.chosen));
    html! {
        h3 { "How the settings were chosen" }
        p {
            "On seeds that judge nothing, from grids of as many settings for every method. The choices are part of \
             the code. "
            @if tuned().count() == 0 {
                "The tuning runs are not among those of this report; they are part of the full scale."
            } @else {
                "The tuning runs bear out " (borne_out.count()) " of " (count(tuned().count(), "choice")) "."
            }
        }
        @if tuned().count() > 0 {
            details {
                summary { "The grids and their scores, of which the least is best" }
                div class="grids" {
                    @for (method, confirmation) in tuned() { (choice(method, confirmation)) }
                }
            }
        }
    }
}

fn choice(method: &str, confirmation: &Confirmation) -> Markup {
    let Confirmation {
        scores,
        best,
        chosen,
    } = confirmation;
    let rows = scores.iter().map(|(setting, score)| {
        let mark = if setting == chosen { "chosen" } else { "" };
        vec![setting.clone(), score.to_string(), mark.to_string()]
    });
    let says = match best {
        Some(best) if best == chosen => "the tuning runs bear out the choice".to_string(),
        Some(best) => format!("the tuning runs prefer {best} to {chosen}, which is what was used"),
        None => "every setting diverged".to_string(),
    };
    tabled(&Table {
        caption: format!("{method}: {says}."),
        head: ["setting", "score", ""].map(String::from).into(),
        rows: rows.collect(),
    })
}

fn method() -> Markup {
    html! {
        section id="verdicts" {
            h2 { "How a verdict comes about" }
            p {
                "Every claim has a threshold that stands in the code, and was stored with the first run: a report \
                 with another threshold is refused. Every arm of an experiment runs once for each of the same seeds, \
                 and effects that compare arms are paired by seed. The interval is that of Student’s t over seeds, of \
                 logarithms where the effect is a ratio; it is a claim’s own, without allowance for how many claims \
                 there are. "
                (verdict(Verdict::Supported)) ": the whole interval keeps the threshold. "
                (verdict(Verdict::Contradicted)) ": none of it does. "
                (verdict(Verdict::NotSupported)) ": it holds both, or there is no interval, as when a run diverged."
            }
            p {
                "Every number of every run is in " a href="results.json" { "results.json" }
                ", how long each took in " a href="timings.csv" { "timings.csv" } "."
            }
        }
    }
}
