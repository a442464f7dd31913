//! The lower-case words for activations and likelihoods, in files as on the command line.

use natgrad::{Activation, Likelihood};

const ACTIVATIONS: [(&str, Activation); 5] = [
    ("tanh", Activation::Tanh),
    ("logistic", Activation::Logistic),
    ("relu", Activation::Relu),
    ("softplus", Activation::Softplus),
    ("identity", Activation::Identity),
];

const LIKELIHOODS: [(&str, Likelihood); 3] = [
    ("gaussian", Likelihood::Gaussian),
    ("bernoulli", Likelihood::Bernoulli),
    ("categorical", Likelihood::Categorical),
];

/// The word for `activation`.
pub const fn activation_word(activation: Activation) -> &'static str {
    match activation {
        Activation::Tanh => "tanh",
        Activation::Logistic => "logistic",
        Activation::Relu => "relu",
        Activation::Softplus => "softplus",
        Activation::Identity => "identity",
    }
}

/// The word for `likelihood`.
pub const fn likelihood_word(likelihood: Likelihood) -> &'static str {
    match likelihood {
        Likelihood::Gaussian => "gaussian",
        Likelihood::Bernoulli => "bernoulli",
        Likelihood::Categorical => "categorical",
    }
}

/// The activation that `word` means, if it is one of the five.
pub fn parse_activation(word: &str) -> Option<Activation> {
    find(&ACTIVATIONS, word)
}

/// The likelihood that `word` means, if it is one of the three.
pub fn parse_likelihood(word: &str) -> Option<Likelihood> {
    find(&LIKELIHOODS, word)
}

fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table
        .iter()
        .find(|(w, _)| *w == word)
        .map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for (word, activation) in ACTIVATIONS {
            assert_eq!(activation_word(activation), word);
            assert_eq!(parse_activation(word), Some(activation));
        }
        for (word, likelihood) in LIKELIHOODS {
            assert_eq!(likelihood_word(likelihood), word);
            assert_eq!(parse_likelihood(word), Some(likelihood));
        }
        assert_eq!(parse_activation("Tanh"), None);
        assert_eq!(parse_likelihood("tanh"), None);
    }
}
