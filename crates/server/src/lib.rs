//! The server: everything that ties the parts together, and the roadstead program.
