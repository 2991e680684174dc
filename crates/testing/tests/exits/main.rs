//! Exits with the real program and real browsers: which address sites see, and that nothing goes out another way.

mod ground;

mod changes;
mod counts;
mod leaks;
mod namespaces;
mod refusals;
mod sticky;
mod upstreams;
