//! Name servers where systemd-resolved answers, as on Ubuntu and Fedora: the real one.

use std::net::Ipv4Addr;

use nix::sys::signal::Signal;
use rig::{
    Card, Gateway, Host, NameServer, Resolved, Scene, Up,
    client::{PIN_FD, TUNNEL},
    scene::INNER_NETWORK,
    wait::{self, SOON},
};
use serde_json::Value;

/// The name server behind the gateway, and what it says of a name.
const INNER_SERVER: &str = "10.20.0.80";
const INNER_ANSWER: &str = "10.20.0.99";
/// That of the network at home.
const HOME_SERVER: &str = "192.0.2.1";
const HOME_ANSWER: &str = "198.51.100.99";

/// A computer whose name servers are its network's until a tunnel is up.
struct Place {
    inner: NameServer,
    home: NameServer,
    resolved: Resolved,
    told: String,
    card: Card,
    _gateway: Gateway,
    scene: Scene,
}

fn ipv4(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn was_asked(server: &NameServer, name: &str) -> bool {
    server.asked().iter().any(|asked| asked == name)
}

impl Place {
    #[track_caller]
    fn new() -> Place {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let options = ["--route", INNER_NETWORK, "--dns", INNER_SERVER];
        let card = scene.issue_with(&gateway, "traveller", &options);
        let serve = |host: &Host, server| NameServer::serve(host, ipv4(server).into());
        let inner = serve(&scene.server, INNER_SERVER);
        let home = serve(&scene.router, HOME_SERVER);
        let resolved = Resolved::start(&scene.one);
        // As a DHCP client does.
        resolved.control(&["dns", "eth0", HOME_SERVER]).ok();
        let place = Place {
            inner,
            home,
            told: resolved.told(),
            resolved,
            card,
            _gateway: gateway,
            scene,
        };
        place.assert_asks_at_home("before.example.com");
        place
    }

    /// `up` with the card in, once it is connected.
    #[track_caller]
    fn connect(&self) -> Up {
        let up = self.up(&[]);
        up.await_state("waiting_token");
        self.card.insert();
        up.await_state("up");
        up
    }

    #[track_caller]
    fn up(&self, options: &[&str]) -> Up {
        let one = &self.scene.one;
        let number = PIN_FD.to_string();
        let up = one.tokenvpn(&["up", "--json", "--pin-fd", &number]);
        let up = up.args(options).text_on(PIN_FD, self.card.pin());
        Up::started(one, self.resolved.of(up))
    }

    /// What the C library finds at the computer; each server has an answer of its own.
    #[track_caller]
    fn look_up(&self, name: &str) -> String {
        self.inner.set(name, ipv4(INNER_ANSWER));
        self.home.set(name, ipv4(HOME_ANSWER));
        let found = self.scene.one.run("getent").args(["ahostsv4", name]);
        let found = found.finish().stdout;
        found
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    #[track_caller]
    fn assert_asks_inside(&self, name: &str) {
        assert_eq!(self.look_up(name), INNER_ANSWER);
        assert!(was_asked(&self.inner, name));
        assert!(
            !was_asked(&self.home, name),
            "the network at home learns of it"
        );
    }

    #[track_caller]
    fn assert_asks_at_home(&self, name: &str) {
        assert_eq!(self.look_up(name), HOME_ANSWER);
        assert!(!was_asked(&self.inner, name));
    }

    /// Nothing is left of the tunnel.
    #[track_caller]
    fn assert_put_back(&self, name: &str) {
        wait::until_true("the tunnel is gone", SOON, || {
            !self.scene.one.has_link(TUNNEL)
        });
        wait::until_true("systemd-resolved has forgotten it", SOON, || {
            self.resolved.told() == self.told
        });
        self.assert_asks_at_home(name);
    }
}

#[test]
fn resolved_asks_the_profile_s_servers_for_every_name_until_the_tunnel_ends_however_it_does() {
    let place = Place::new();
    let one = &place.scene.one;
    let up = place.connect();
    let link = |what| {
        let told = place.resolved.control(&[what, TUNNEL]).ok();
        told.split_once("): ")
            .expect("a link")
            .1
            .trim_end()
            .to_owned()
    };
    assert_eq!(link("dns"), INNER_SERVER);
    assert_eq!(link("domain"), "~.");
    place.assert_asks_inside("up.example.com");
    // Nothing lies over the file: it is systemd-resolved's.
    let mounts = one.run("cat").arg("/proc/self/mountinfo").ok();
    assert!(!mounts.contains("resolv.conf"), "{mounts}");

    place.card.remove();
    up.await_state("token_removed");
    place.assert_put_back("removed.example.com");
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);

    let up = place.connect();
    place.assert_asks_inside("again.example.com");
    one.tokenvpn(&["down"]).ok();
    assert_eq!(up.process().exit_code(SOON), 0);
    place.assert_put_back("down.example.com");

    place.card.remove();
    let up = place.connect();
    place.assert_asks_inside("once-more.example.com");
    up.process().kill();
    // Without any `down`: it forgets with the interface.
    place.assert_put_back("killed.example.com");
    one.tokenvpn(&["down"]).ok();
    assert_eq!(place.resolved.told(), place.told);
}

#[test]
fn an_up_that_cannot_tell_resolved_says_so_and_leaves_no_tunnel() {
    let place = Place::new();
    place.resolved.stop();
    place.card.insert();
    let up = place.up(&["--once"]);
    let failed = up.await_state("failed");
    let text = |field: &str| failed[field].as_str().expect("a text").to_owned();
    assert!(text("what").starts_with("resolvectl does not take the name servers"));
    assert!(text("hint").starts_with("is systemd-resolved running?"));
    assert_eq!(up.process().exit_code(SOON), 1);
    assert!(!place.scene.one.has_link(TUNNEL));
}

#[test]
fn the_doctor_tells_whether_resolved_can_be_told() {
    let place = Place::new();
    let one = &place.scene.one;
    let finding = |path: Option<&str>| {
        let doctor = one.tokenvpn(&["doctor", "--json"]);
        let doctor = match path {
            Some(path) => doctor.env("PATH", path),
            None => place.resolved.of(doctor),
        };
        let document: Value = serde_json::from_str(&doctor.finish().stdout).expect("JSON");
        let findings = document["findings"].as_array().expect("findings").clone();
        let mut findings = findings.into_iter();
        let found = findings.find(|finding| finding["check"] == "dns");
        found.expect("a finding")
    };
    let found = finding(None);
    assert_eq!(found["verdict"], "ok", "{found}");
    assert_eq!(
        found["what"],
        "systemd-resolved answers, and takes name servers"
    );
    let found = finding(Some("/nowhere"));
    assert_eq!(found["verdict"], "problem", "{found}");
    assert_eq!(
        found["what"],
        "systemd-resolved answers, but resolvectl is missing"
    );
    let hint = found["hint"].as_str().expect("a hint");
    assert!(hint.contains("apt install systemd-resolved"), "{hint}");
}
