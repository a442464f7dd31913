//! A model as Rust source, for a firmware to compile in.

use std::fmt::Write;

use natgrad::{Activation, Likelihood};

use super::values::Values;
use crate::data::Scaling;
use crate::error::Error;

/// A model whose every number is a finite `f32`, as `Rust` source writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct RustSource {
    widths: Vec<usize>,
    activation: Activation,
    likelihood: Likelihood,
    theta: Vec<f32>,
    /// Offset and scale of x = offset + scale · raw.
    input: Option<[Vec<f32>; 2]>,
    /// Offset and scale of y = offset + scale · z.
    target: Option<[Vec<f32>; 2]>,
}

impl RustSource {
    /// The model of a file, which messages call `file`.
    ///
    /// A file scales its data by x' = (x − offset) / scale; a device multiplies and adds, as
    /// [`natgrad::data::Samples`] does: x' = (−offset / scale) + (1 / scale) · x. Both numbers are formed in
    /// `f64` and rounded once. Targets are scaled where the likelihood is Gaussian.
    ///
    /// # Errors
    /// When a number does not fit `f32`.
    pub fn new(
        file: &str,
        model: &super::Model,
        activation: Activation,
        likelihood: Likelihood,
    ) -> Result<Self, Error> {
        let pair = |offset: Vec<f64>, scale: Vec<f64>| -> Result<[Vec<f32>; 2], Error> {
            Ok([
                Values::F64(offset).convert(file)?,
                Values::F64(scale).convert(file)?,
            ])
        };
        let input = |scaling: &Scaling| {
            let offset = scaling.input_offset.iter().zip(&scaling.input_scale);
            pair(
                // No −0 where nothing is shifted.
                offset.map(|(offset, scale)| 0.0 - offset / scale).collect(),
                scaling.input_scale.iter().map(|s| s.recip()).collect(),
            )
        };
        let target =
            |scaling: &Scaling| pair(scaling.target_offset.clone(), scaling.target_scale.clone());
        let scaling = model.scaling.as_ref();
        let gaussian = scaling.filter(|_| likelihood == Likelihood::Gaussian);
        Ok(Self {
            widths: model.params.widths().to_vec(),
            activation,
            likelihood,
            theta: model.params.theta().convert(file)?,
            input: scaling.map(input).transpose()?,
            target: gaussian.map(target).transpose()?,
        })
    }

    /// The source: `PLAN`, `THETA` and, where the file has scales, `INPUT_OFFSET`, `INPUT_SCALE`,
    /// `TARGET_OFFSET` and `TARGET_SCALE`. It stands for itself as a module, and can be included.
    ///
    /// Every number is the shortest decimal that is read back as the same bits.
    pub fn text(&self) -> String {
        let mut text = String::from("// Written by `natgrad export --rust`.\n");
        let count = self.widths.len();
        section(
            &mut text,
            &["The network."],
            &format!(
                "pub const PLAN: natgrad::Plan<{count}> = match natgrad::Plan::new(\n    {:?},\n    \
                 natgrad::Activation::{:?},\n    natgrad::Likelihood::{:?},\n) {{\n    \
                 Ok(plan) => plan,\n    Err(error) => panic!(\"{{}}\", error.message()),\n}};\n",
                self.widths, self.activation, self.likelihood
            ),
        );
        numbers(
            &mut text,
            &["Its parameters: layer by layer the weights, row by row, then the biases."],
            ("THETA", "PLAN.params()"),
            &self.theta,
        );
        if let Some([offset, scale]) = &self.input {
            numbers(
                &mut text,
                &[
                    "The network takes x = offset + scale * raw, as `natgrad::data::Samples` has it.",
                ],
                ("INPUT_OFFSET", &self.dim_in()),
                offset,
            );
            let doc = ["See [`INPUT_OFFSET`]."];
            numbers(&mut text, &doc, ("INPUT_SCALE", &self.dim_in()), scale);
        }
        if let Some([offset, scale]) = &self.target {
            numbers(
                &mut text,
                &["In the units of the data an output z is offset + scale * z."],
                ("TARGET_OFFSET", &self.dim_out()),
                offset,
            );
            let doc = ["See [`TARGET_OFFSET`]."];
            numbers(&mut text, &doc, ("TARGET_SCALE", &self.dim_out()), scale);
        }
        text
    }

    fn dim_in(&self) -> String {
        self.widths
            .first()
            .map_or_else(String::new, usize::to_string)
    }

    fn dim_out(&self) -> String {
        self.widths
            .last()
            .map_or_else(String::new, usize::to_string)
    }
}

/// How many numbers stand on a line.
const PER_LINE: usize = 6;

fn section(text: &mut String, doc: &[&str], item: &str) {
    text.push('\n');
    for line in doc {
        text.extend(["/// ", line, "\n"]);
    }
    text.push_str(item);
}

fn numbers(text: &mut String, doc: &[&str], (name, len): (&str, &str), values: &[f32]) {
    let mut item = String::from(
        "#[rustfmt::skip]\n\
         #[allow(clippy::approx_constant, clippy::unreadable_literal, reason = \"measured numbers\")]\n",
    );
    // Writing to a string does not fail.
    let _ = writeln!(item, "pub static {name}: [f32; {len}] = [");
    for line in values.chunks(PER_LINE) {
        let line: Vec<String> = line.iter().map(|value| format!("{value:?},")).collect();
        let _ = writeln!(item, "    {}", line.join(" "));
    }
    item.push_str("];\n");
    section(text, doc, &item);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::files::{Model, Params};

    fn model(widths: &[usize], theta: Values, scaling: Option<Scaling>) -> Model {
        Model {
            params: Params::new(widths.to_vec(), theta).unwrap(),
            activation: None,
            likelihood: None,
            scaling,
            ended: None,
        }
    }

    fn text(model: &Model, likelihood: Likelihood) -> String {
        let source = RustSource::new("m.st", model, Activation::Softplus, likelihood);
        source.unwrap().text()
    }

    /// The numbers of a `static`.
    fn read(text: &str, name: &str) -> Option<Vec<f32>> {
        let (_, rest) = text.split_once(&format!("pub static {name}: "))?;
        let (_, rest) = rest.split_once("= [")?;
        let (list, _) = rest.split_once(']')?;
        let words = list.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty());
        Some(words.map(|word| word.parse().unwrap()).collect())
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn the_source_is_as_it_is() {
        let scaling = Scaling {
            input_offset: vec![0.0, 3.0],
            input_scale: vec![1.0, 2.0],
            target_offset: vec![-1.0],
            target_scale: vec![0.5],
        };
        let model = model(&[2, 1], Values::F64(vec![0.1, -2.0, 0.25]), Some(scaling));
        let expected = "\
// Written by `natgrad export --rust`.

/// The network.
pub const PLAN: natgrad::Plan<2> = match natgrad::Plan::new(
    [2, 1],
    natgrad::Activation::Softplus,
    natgrad::Likelihood::Gaussian,
) {
    Ok(plan) => plan,
    Err(error) => panic!(\"{}\", error.message()),
};

/// Its parameters: layer by layer the weights, row by row, then the biases.
#[rustfmt::skip]
#[allow(clippy::approx_constant, clippy::unreadable_literal, reason = \"measured numbers\")]
pub static THETA: [f32; PLAN.params()] = [
    0.1, -2.0, 0.25,
];

/// The network takes x = offset + scale * raw, as `natgrad::data::Samples` has it.
#[rustfmt::skip]
#[allow(clippy::approx_constant, clippy::unreadable_literal, reason = \"measured numbers\")]
pub static INPUT_OFFSET: [f32; 2] = [
    0.0, -1.5,
];

/// See [`INPUT_OFFSET`].
#[rustfmt::skip]
#[allow(clippy::approx_constant, clippy::unreadable_literal, reason = \"measured numbers\")]
pub static INPUT_SCALE: [f32; 2] = [
    1.0, 0.5,
];

/// In the units of the data an output z is offset + scale * z.
#[rustfmt::skip]
#[allow(clippy::approx_constant, clippy::unreadable_literal, reason = \"measured numbers\")]
pub static TARGET_OFFSET: [f32; 1] = [
    -1.0,
];

/// See [`TARGET_OFFSET`].
#[rustfmt::skip]
#[allow(clippy::approx_constant, clippy::unreadable_literal, reason = \"measured numbers\")]
pub static TARGET_SCALE: [f32; 1] = [
    0.5,
];
";
        assert_eq!(text(&model, Likelihood::Gaussian), expected);
    }

    #[test]
    fn every_number_is_read_back_as_the_same_bits() {
        let mut theta = vec![
            0.0,
            -0.0,
            f32::MIN_POSITIVE,
            f32::from_bits(1),
            -f32::from_bits(0x007f_ffff),
            f32::MAX,
            -f32::MAX,
            1.0 + f32::EPSILON,
            16_777_217.0,
            0.1,
            1e-7,
        ];
        // Numbers of every exponent.
        theta.extend((0..255_u32).map(|exponent| {
            f32::from_bits(exponent << 23 | exponent.wrapping_mul(0x9e37_79b9) >> 9)
        }));
        let width = theta.len() / 2 - 1;
        theta.truncate(2 * width + 2);
        let model = model(&[width, 2], Values::F32(theta.clone()), None);
        let text = text(&model, Likelihood::Gaussian);
        let back = read(&text, "THETA").unwrap();
        assert_eq!(bits(&back), bits(&theta));
        assert_eq!(read(&text, "INPUT_SCALE"), None);
    }

    proptest! {
        #[test]
        fn theta_is_read_back_as_the_same_bits(
            theta in vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 6),
            wide: bool,
        ) {
            let values = if wide {
                Values::F64(theta.iter().map(|&x| x.into()).collect())
            } else {
                Values::F32(theta.clone())
            };
            let text = text(&model(&[2, 2], values, None), Likelihood::Gaussian);
            let back = read(&text, "THETA").unwrap();
            prop_assert_eq!(bits(&back), bits(&theta));
        }
    }

    #[test]
    fn every_network_has_its_plan() {
        use {Activation as A, Likelihood as L};
        for layers in 1..=4 {
            let widths: Vec<usize> = (2..).take(layers + 1).collect();
            let params = widths.windows(2).map(|w| (w[0] + 1) * w[1]).sum();
            let model = model(&widths, Values::F32(vec![0.5; params]), None);
            for activation in [A::Tanh, A::Logistic, A::Relu, A::Softplus, A::Identity] {
                for likelihood in [L::Gaussian, L::Bernoulli, L::Categorical] {
                    let source = RustSource::new("m.st", &model, activation, likelihood);
                    let text = source.unwrap().text();
                    let plan = format!(
                        "pub const PLAN: natgrad::Plan<{}> = match natgrad::Plan::new(\n    {widths:?},\n    \
                         natgrad::Activation::{activation:?},\n    natgrad::Likelihood::{likelihood:?},\n",
                        layers + 1
                    );
                    assert!(text.contains(&plan), "{text}");
                    assert_eq!(read(&text, "THETA").unwrap().len(), params);
                    assert_eq!(text.matches("pub ").count(), 2, "{text}");
                }
            }
        }
    }

    #[test]
    fn classes_have_no_scale() {
        let theta = Values::F32(vec![0.0; 6]);
        let model = model(&[2, 2], theta, Some(Scaling::identity(2, 2)));
        let text = text(&model, Likelihood::Categorical);
        assert_eq!(read(&text, "INPUT_OFFSET"), Some(vec![0.0; 2]));
        assert!(!text.contains("-0.0"), "{text}");
        assert_eq!(read(&text, "INPUT_SCALE"), Some(vec![1.0; 2]));
        assert_eq!(read(&text, "TARGET_SCALE"), None);
    }

    #[test]
    fn what_is_no_f32_is_refused() {
        let model = model(&[1, 1], Values::F64(vec![0.0, 1e39]), None);
        let error = RustSource::new("m.st", &model, Activation::Tanh, Likelihood::Gaussian);
        assert_eq!(
            error.unwrap_err().to_string(),
            "m.st: value 2, 1e39, does not fit f32"
        );
    }
}
