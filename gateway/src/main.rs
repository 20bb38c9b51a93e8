//! tokenvpn.
fn main() {}
