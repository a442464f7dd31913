//! Networks and their curvature.
#![no_std]
#![no_main]

panics::program! {
    panics::network::all::<f32, 1>();
    panics::network::all::<f32, 4>();
    panics::network::all::<f64, 1>();
}
