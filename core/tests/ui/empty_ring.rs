use natgrad::data::Ring;

fn main() {
    let _ = Ring::<f32, 2, u16, 0>::new();
}
