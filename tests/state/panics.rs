//! A panic in the middle of a verb.

use rig::{Puppet, wait::SOON};

use super::{Place, fresh_key};

/// The thread that writes the registry panics: nobody could revoke any more, so all of it ends, and
/// whatever started it starts it again.
#[test]
fn a_panic_of_the_registrys_thread_ends_the_gateway_and_leaves_nothing_half_done() {
    let place = Place::new();
    place.add("before");
    let there = place.identities();
    let network = place.machine.network_state();
    let process = place.gateway.start();
    let key = fresh_key().to_string();
    let mut asked = None;
    // The row is in, and not yet what makes it count.
    let noted = "tokenvpn_gateway::registry::rows::insert_audit";
    let puppet = Puppet::at_thread(process.pid(), "registry", noted, || {
        let verb = ["add", "half", "--public-key", &key];
        asked = Some(place.gateway.command(&verb).spawn());
    });
    puppet.panic();
    assert_eq!(process.exit_code(SOON), 70, "{}", process.report());
    let said = process.stderr().all();
    let errors = said.lines().skip_while(|line| !line.starts_with("error: "));
    let told: Vec<&str> = errors.collect();
    assert_eq!(told.len(), 2, "{said}");
    assert!(told[0].contains("(puppet:1:1)"), "{said}");
    assert!(told[1].starts_with("hint: "), "{said}");
    let asked = asked.expect("it was asked").finish();
    asked.expect_error(1, &["does not answer"]);
    assert_eq!(place.machine.network_state(), network);

    assert_eq!(place.identities(), there);
    place.gateway.start();
    assert_eq!(place.roster(), there);
    place.add("half");
    assert_eq!(place.identities().len(), there.len() + 1);
}

/// The same of a worker that is not at work for any peer.
#[test]
fn a_panic_of_a_worker_ends_the_gateway() {
    let place = Place::new();
    let process = place.gateway.start();
    let report = "tokenvpn_gateway::worker::Loop::tell";
    let puppet = Puppet::at_thread(process.pid(), "worker 0", report, || {
        drop(place.gateway.command(&["status"]).spawn());
    });
    puppet.panic();
    assert_eq!(process.exit_code(SOON), 70, "{}", process.report());
    let said = process.stderr().all();
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    place.gateway.start();
}
