//! Nothing of a session outlives it, however often there is one.

use std::fs;

use rig::{Pty, Scene, process::is_alive, programs, wait, wait::SOON};

/// How many descriptors a process has open.
fn descriptors(pid: i32) -> usize {
    let listed = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    listed.count()
}

#[test]
fn fifty_pulls_leave_no_descriptor_route_or_process_behind() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let network = scene.one.network_state();
    let pty = Pty::open();
    let up = scene.one.up_on(&pty, &[]);
    let supervisor = up.process().pid();
    let gateways = scene.gateway.processes_of(&programs::gateway());
    let count = || -> Vec<usize> {
        let pids = gateways.iter().chain([&supervisor]);
        pids.map(|pid| descriptors(*pid)).collect()
    };
    let mut after_first = None;
    for pull in 1..=50 {
        pty.expect("Waiting for a token");
        card.insert();
        scene.one.type_pin(&pty, card.pin());
        pty.expect("Connected as traveller");
        let worker = up.worker().expect("a worker");
        card.remove();
        pty.expect("Token removed");
        assert!(!is_alive(worker), "pull {pull}");
        assert_eq!(up.pids(), [supervisor], "pull {pull}");
        assert_eq!(scene.one.network_state(), network, "pull {pull}");
        // The first session opens what is kept for all.
        let first = after_first.get_or_insert_with(count);
        wait::until_true("no descriptor is left", SOON, || count() == *first);
    }
}
