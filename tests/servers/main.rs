//! Scenarios on real PostgreSQL servers. None is written yet.

fn main() {
    println!("servers: no scenarios yet");
}
