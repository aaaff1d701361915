//! The promises as a user has them: the real `gofer`, killed where it hurts most, on a real Docker
//! engine. One module for each promise. They need the binary (`cargo build -p gofer`), an engine,
//! busybox-static and docker-registry.

mod e2e {
    mod commands;
    mod demo;
    mod detaching;
    mod ends;
    mod failpoints;
    mod image_commands;
    mod inside;
    mod log_commands;
    mod needs;
    mod random_kills;
    mod registries;
    mod up_commands;
}
