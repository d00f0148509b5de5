//! A third-party agent.
