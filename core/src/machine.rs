//! The instruction sets that a kernel is compiled for.
//!
//! Without the feature `multiversion` it is the one of the build. With it, a kernel is compiled once for each of a few,
//! and a call takes the best of the machine: an atomic load and a jump. None of them fuses a multiply with an add,
//! since the compiler never contracts: the bits are the same. With the feature `fma` they have the instruction that
//! does, and those kernels that ask for it the bits that it gives.

/// Compiles a function for each instruction set.
macro_rules! for_machines {
    ($item:item) => {
        #[cfg_attr(
            all(feature = "multiversion", not(feature = "fma")),
            multiversion::multiversion(targets(
                "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2",
                "x86_64+avx2+bmi1+bmi2",
            ))
        )]
        #[cfg_attr(
            all(feature = "multiversion", feature = "fma"),
            multiversion::multiversion(targets(
                "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
                "x86_64+avx2+fma+bmi1+bmi2",
            ))
        )]
        $item
    };
}

/// Whether the instruction set at this place of a function of [`for_machines`] has a target feature.
#[cfg(feature = "multiversion")]
macro_rules! has {
    ($feature:literal) => {
        multiversion::target::target_cfg_f!(target_feature = $feature)
    };
}
#[cfg(not(feature = "multiversion"))]
macro_rules! has {
    ($feature:literal) => {
        cfg!(target_feature = $feature)
    };
}

/// Half the bytes of the vector registers: what the sums of a block may take, for the factors to have the other half.
macro_rules! half_the_registers {
    () => {
        if has!("avx512f") {
            32 * 64 / 2
        } else if has!("avx2") || cfg!(target_arch = "aarch64") {
            // 16 of 32 bytes, or 32 of 16.
            512 / 2
        } else {
            16 * 16 / 2
        }
    };
}
