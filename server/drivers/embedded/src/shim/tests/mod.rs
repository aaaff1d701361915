//! Tests of the shim as it is: real processes, real containers. They need root, busybox-static and
//! the example `shim`.

mod bench;
mod confined;
mod death;
mod ends;
mod refused;
mod settings;
