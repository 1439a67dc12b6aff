//! Links the binding the way the platform's Node loads it.

fn main() {
    napi_build::setup();
}
