//! Natural gradient in output space, in the metric of other examples than the gradient's.
#![no_std]
#![no_main]

bits::program!(woodbury);
