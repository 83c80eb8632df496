//! Version ranges and their negotiation.
