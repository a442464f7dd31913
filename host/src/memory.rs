//! Memory that a net may ask for: an absurd one is refused before the allocator gives up.

use natgrad::Scalar;

use crate::error::Error;

/// The most that a command allocates for a network and its workspace, in bytes.
pub(crate) const MOST_BYTES: usize = 8 << 30;

/// `len` zeros, which stand for a part of a workspace.
///
/// # Errors
/// [`Error::Option`], when they are more than a run may take or than there is.
pub(crate) fn zeros<T: Scalar>(len: usize) -> Result<Vec<T>, Error> {
    let bytes = len.saturating_mul(size_of::<T>());
    let refused = |why: &str| {
        let problem = format!(
            "such a network needs {} MiB of workspace, {why}",
            bytes >> 20
        );
        Error::option("--net", problem)
    };
    if bytes > MOST_BYTES {
        let limit = format!("more than the {} that a run may take", MOST_BYTES >> 20);
        return Err(refused(&limit));
    }
    let mut zeros = Vec::new();
    if zeros.try_reserve_exact(len).is_err() {
        return Err(refused("which the system does not give"));
    }
    zeros.resize(len, T::ZERO);
    Ok(zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_with_its_size() {
        assert_eq!(zeros::<f32>(3).unwrap(), [0.0; 3]);
        for len in [MOST_BYTES / 8 + 1, usize::MAX] {
            let message = zeros::<f64>(len).unwrap_err().to_string();
            assert!(message.starts_with("--net: "), "{message}");
            assert!(
                message.ends_with("more than the 8192 that a run may take"),
                "{message}"
            );
        }
    }
}
