//! Everything that has no tiles.
#![no_std]
#![no_main]

panics::program! {
    panics::plans::all();
    panics::numbers::all::<f32>();
    panics::numbers::all::<f64>();
    panics::examples::all::<f32>();
    panics::examples::all::<f64>();
    panics::algebra::all::<f32>();
    panics::algebra::all::<f64>();
}
