//! The DevTools protocol over a pipe: framing, id rewriting, the multiplexer, our own calls.
