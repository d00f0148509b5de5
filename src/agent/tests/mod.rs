//! The room through its door, against a small world of its own: see `kit` and `trip`.

mod asked;
mod calls;
pub(super) mod kit;
mod sign_in;
mod step_up;
mod transports;
mod trip;
mod versions;

#[test]
fn an_agent_can_move_between_threads() {
    fn movable<T: Send>(_: T) {}
    let config = super::Config::new("http://127.0.0.1/mcp".parse().unwrap());

    movable(super::connect(config, |_| {}));
}
