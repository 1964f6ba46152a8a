//! Authentication as its users meet it.
