//! Several gateways, or several ways to one: a download goes on when one of them stops.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rig::{
    Card, Gateway, Host, Scene, Up, Web,
    scene::{ENDPOINT, INNER_NETWORK, TUNNEL_NETWORK},
    wait::{self, Now, SOON, now},
    web,
};
use tokenvpn_common::{
    io::clock::unix_time,
    key::{PrivateKey, PublicKey},
    profile::{self, Profile},
};

/// The other way to the gateway.
const SECOND_ADDRESS: &str = "203.0.113.6";
const SECOND_ENDPOINT: &str = "203.0.113.6:51820";

/// How long a download may stand still.
const LIMIT: Duration = Duration::from_secs(8);

/// Lets nothing through to and from an address any more, or everything again.
#[track_caller]
fn cut(router: &Host, address: &str, is_cut: bool) {
    let word = if is_cut { "add" } else { "delete" };
    router.ip(&format!("route {word} blackhole {address}/32"));
    router.ip(&format!("rule {word} from {address}/32 blackhole"));
}

/// A download that is looked at while it goes on.
struct Download {
    file: PathBuf,
    bytes: usize,
    curl: rig::Process,
}

impl Download {
    /// Of this many bytes in this many seconds, in a hundred pieces.
    #[track_caller]
    fn start(host: &Host, server: &str, bytes: usize, seconds: usize) -> Download {
        let file = host.dir().join("download");
        let url = format!("http://{server}/slow/{bytes}/{}", seconds * 1000);
        let curl = host.curl(&url, Duration::from_secs(120));
        let curl = curl.arg("-o").arg(&file).spawn();
        let download = Download { file, bytes, curl };
        wait::until_true("the download begins", SOON, || download.len() > 0);
        download
    }

    fn len(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    /// Until it goes on; for how long it stood still.
    #[track_caller]
    fn await_more(&self, since: Now) -> Duration {
        // What was on its way when the way was cut may still arrive.
        wait::holds_for("the file is there", Duration::from_millis(500), || {
            Path::new(&self.file).exists()
        });
        let before = self.len();
        wait::until_true("the download goes on", LIMIT, || self.len() > before);
        now().since(since)
    }

    /// The longest time without progress until this is true.
    #[track_caller]
    fn longest_pause_until(&self, within: Duration, mut is_over: impl FnMut() -> bool) -> Duration {
        let (mut len, mut since, mut longest) = (self.len(), now(), Duration::ZERO);
        wait::until_true("what is awaited comes", within, || {
            if self.len() > len {
                (len, since) = (self.len(), now());
            }
            longest = longest.max(now().since(since));
            is_over()
        });
        longest
    }

    /// Insists that everything came.
    #[track_caller]
    fn finish(self) {
        assert_eq!(self.curl.exit_code(Duration::from_secs(120)), 0);
        let came = fs::read(&self.file).expect("the download");
        assert!(came == web::pattern(self.bytes), "the download is damaged");
    }
}

fn has_event(up: &Up, state: &str) -> bool {
    up.events().iter().any(|event| event["state"] == state)
}

/// One gateway at two addresses.
fn two_ways() -> (Scene, Gateway, Card) {
    let scene = Scene::new();
    scene
        .gateway
        .ip(&format!("address add {SECOND_ADDRESS}/24 dev eth0"));
    let gateway = scene.start_gateway();
    let card = Card::new(&scene.world, "traveller");
    scene.one.start_pcscd();
    card.connect(&scene.one);
    card.insert();
    let options = [
        "--endpoint",
        ENDPOINT,
        "--endpoint",
        SECOND_ENDPOINT,
        "--route",
        INNER_NETWORK,
    ];
    let enrolment = scene
        .one
        .issue(&gateway.invite("traveller", &options), card.pin());
    gateway.enrol(&enrolment);
    card.remove();
    (scene, gateway, card)
}

#[test]
fn a_running_download_goes_over_to_the_next_endpoint_and_comes_back_to_the_first() {
    let (scene, _gateway, card) = two_ways();
    let _web = scene.serve();
    let up = scene.connect(&scene.one, &card);
    let download = Download::start(&scene.one, "10.20.0.80", 3_000_000, 40);

    cut(&scene.router, "203.0.113.5", true);
    let stood_still = download.await_more(now());
    let moved = up.await_state("moved");
    assert!(stood_still <= LIMIT, "{stood_still:?}");
    assert_eq!(moved["from"], ENDPOINT);
    assert_eq!(moved["to"], SECOND_ENDPOINT);
    let seconds = moved["seconds"].as_f64().expect("how long it was silent");
    assert!((3.0..LIMIT.as_secs_f64()).contains(&seconds), "{seconds}");
    println!("stood still for {stood_still:?}, moved after {seconds:.1} s");

    // The first one is back: nobody notices but who is told.
    cut(&scene.router, "203.0.113.5", false);
    let moves = |up: &Up| {
        let events = up.events();
        events
            .iter()
            .filter(|event| event["state"] == "moved")
            .count()
    };
    let pause = download.longest_pause_until(Duration::from_secs(30), || moves(&up) == 2);
    assert!(pause < Duration::from_secs(2), "{pause:?}");
    let back = up.await_state("moved");
    assert_eq!(back["to"], ENDPOINT);
    assert!(back["seconds"].is_null());
    let status = scene.one.tokenvpn(&["status", "--json"]).ok();
    assert!(
        status.contains(r#""state":"up""#) && status.contains(ENDPOINT),
        "{status}"
    );
    download.finish();
    assert!(!has_event(&up, "lost"));
}

#[test]
fn a_name_that_leads_elsewhere_is_looked_up_again_when_the_gateway_falls_silent() {
    let scene = Scene::new();
    scene
        .gateway
        .ip(&format!("address add {SECOND_ADDRESS}/24 dev eth0"));
    let gateway = scene.start_gateway();
    let card = Card::new(&scene.world, "traveller");
    let one = &scene.one;
    let names = |address: &str| {
        let text = format!("127.0.0.1 localhost\n{address} vpn.example.com\n");
        one.within(|| fs::write("/etc/hosts", text))
            .expect("names of its own");
    };
    names("203.0.113.5");
    one.start_pcscd();
    card.connect(one);
    card.insert();
    let options = [
        "--endpoint",
        "vpn.example.com:51820",
        "--route",
        INNER_NETWORK,
    ];
    gateway.enrol(&one.issue(&gateway.invite("traveller", &options), card.pin()));
    card.remove();
    let _web = scene.serve();
    let up = scene.connect(one, &card);
    let download = Download::start(one, "10.20.0.80", 1_000_000, 10);
    names(SECOND_ADDRESS);
    cut(&scene.router, "203.0.113.5", true);
    let cut_at = now();
    let moved = up.await_state_within("moved", LIMIT);
    assert_eq!(moved["address"], SECOND_ENDPOINT);
    download.await_more(cut_at);
    download.finish();
}

/// A profile with two gateways, each with a preshared key of its own.
#[test]
fn another_gateway_takes_over_when_the_first_stops() {
    let scene = Scene::new();
    let other = scene.world.host("other");
    scene.world.wire(
        (&other, "eth0", "198.51.101.7/24"),
        (&scene.router, "other", "198.51.101.1/24"),
    );
    other.ip("route add default via 198.51.101.1");
    const OTHER_ENDPOINT: &str = "198.51.101.7:51820";
    let gateways = [
        Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK),
        Gateway::init(&other, OTHER_ENDPOINT, TUNNEL_NETWORK),
    ];
    let private_key = PrivateKey::generate();
    let mut known = Vec::new();
    for (gateway, endpoint) in gateways.iter().zip([ENDPOINT, OTHER_ENDPOINT]) {
        gateway.start();
        let preshared_key = tokenvpn_common::key::PresharedKey::generate();
        let file = gateway.host().dir().join("psk");
        fs::write(&file, preshared_key.expose_text().as_bytes()).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own file");
        let own = private_key.public().to_string();
        gateway
            .command(&["add", "traveller", "--public-key", &own])
            .args(["--address", "10.77.0.2", "--preshared-key"])
            .arg(&file)
            .ok();
        let public_key: PublicKey = gateway.status().public_key.expect("a gateway has a key");
        known.push(profile::Gateway {
            public_key,
            preshared_key: Some(preshared_key),
            endpoints: vec![endpoint.parse().expect("an endpoint")],
        });
    }
    let profile = Profile {
        name: "traveller".parse().expect("a name"),
        serial: 1,
        issued: unix_time(),
        not_before: None,
        not_after: None,
        private_key,
        gateways: known,
        addresses: vec!["10.77.0.2/24".parse().expect("an address")],
        allowed_ips: vec![TUNNEL_NETWORK.parse().expect("a network")],
        dns: Vec::new(),
        mtu: 1280,
        keepalive: 25,
    };
    let one = &scene.one;
    one.start_pcscd();
    let card = Card::new(&scene.world, "traveller");
    card.connect(one);
    card.insert();
    card.write(one, &profile.encode().expect("it fits"), None);
    card.remove();
    // The same address behind both, as a pair of gateways would have it.
    let _webs = [
        Web::serve(
            &scene.gateway,
            "10.77.0.1:80".parse().expect("an address"),
            "first",
        ),
        Web::serve(
            &other,
            "10.77.0.1:80".parse().expect("an address"),
            "second",
        ),
    ];
    let up = scene.connect(one, &card);
    assert_eq!(one.fetch("http://10.77.0.1/").as_deref(), Some("first"));

    cut(&scene.router, "203.0.113.5", true);
    let cut_at = now();
    // Somebody wants something; until then nobody misses it.
    let fetch = || {
        one.curl("http://10.77.0.1/", Duration::from_secs(1))
            .finish()
    };
    let page = wait::until("the other gateway serves", LIMIT, || {
        let fetched = fetch();
        fetched.status.success().then_some(fetched.stdout)
    });
    let took = now().since(cut_at);
    println!("another gateway serves after {took:?}");
    assert_eq!(page, "second\n");
    let moved = up.await_state("moved");
    assert_eq!(moved["to"], OTHER_ENDPOINT);

    cut(&scene.router, "203.0.113.5", false);
    let back = up.await_state_within("moved", Duration::from_secs(30));
    assert_eq!(back["to"], ENDPOINT);
    assert_eq!(one.fetch("http://10.77.0.1/").as_deref(), Some("first"));
    assert!(!has_event(&up, "lost"));
}
