//! Parts of the sign-in through their own doors; the whole of it is tested in `agent::tests`.

mod callback;
mod discovery;
