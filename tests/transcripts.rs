//! What people see, word for word: the main flows on a terminal, compared with the transcripts in
//! `transcripts/`. After a change of the words, `WRITE_TRANSCRIPTS=1 cargo test --test transcripts`
//! writes them anew, to be read before they are committed.

use std::{env, fs, path::PathBuf, time::Duration};

use rig::{
    Card, Gateway, Host, Invocation, Process, Pty, Scene, WallClock,
    card::{ADMIN_PIN, Slot},
    client::PIN_FD,
    pty::CTRL_C,
    scene::{INNER_NETWORK, TUNNEL_NETWORK},
    wait::SOON,
};
use tokenvpn_common::{clock::UnixTime, io::clock::unix_time};

/// What a new card's PIN is changed to.
const PIN: &str = "739154";

/// The PIN of every new card (OpenPGP card 3.4.1 §4.3.1).
const FACTORY_PIN: &str = "123456";

/// How long it may take until `up` returns to its first gateway, which it asks every 20 s.
const RETURN: Duration = Duration::from_secs(45);

/// A person at a terminal, and what was on its screen.
struct Session {
    host: Host,
    /// Another one than the computer's, if it is wrong.
    clock: Option<WallClock>,
    text: String,
}

impl Session {
    fn at(host: &Host) -> Session {
        Session {
            host: host.clone(),
            clock: None,
            text: String::new(),
        }
    }

    /// Lets the computer believe that it is this moment.
    fn set_clock(&mut self, moment: &str) {
        let moment: UnixTime = moment.parse().expect("a moment");
        let now = unix_time();
        let clock = self.clock.get_or_insert_with(|| WallClock::new(&self.host));
        clock.set_fast(i64::try_from(moment.0).unwrap() - i64::try_from(now.0).unwrap());
    }

    fn tokenvpn(&self, words: &[&str]) -> Invocation {
        let program = self.host.tokenvpn(words);
        match &self.clock {
            Some(clock) => clock.of(program),
            None => program,
        }
    }

    /// A command that ends by itself; each prompt gets its answer.
    #[track_caller]
    fn run(&mut self, words: &[&str], answers: &[(&str, &str)], code: i32) {
        let pty = Pty::open();
        let process = self.tokenvpn(words).on(&pty).spawn();
        for (prompt, answer) in answers {
            answer_prompt(&pty, prompt, answer);
        }
        let ended = process.exit_code(SOON);
        assert_eq!(ended, code, "{words:?}: {}", pty.screen().all());
        self.note(&format!("tokenvpn {}", words.join(" ")), &pty, ended);
    }

    /// A command that goes on until it is told to end.
    #[track_caller]
    fn start(&self, words: &[&str]) -> (Process, Pty) {
        let pty = Pty::open();
        (self.tokenvpn(words).on(&pty).spawn(), pty)
    }

    /// Ends what was started by Ctrl-C.
    #[track_caller]
    fn interrupt(&mut self, words: &[&str], (process, pty): (Process, Pty)) {
        pty.press(CTRL_C);
        self.ended(words, (process, pty));
    }

    /// What was started has ended.
    #[track_caller]
    fn ended(&mut self, words: &[&str], (process, pty): (Process, Pty)) {
        let ended = process.exit_code(SOON);
        self.note(&format!("tokenvpn {}", words.join(" ")), &pty, ended);
    }

    fn note(&mut self, command: &str, pty: &Pty, code: i32) {
        let screen = self.screen(pty);
        self.text.push_str(&format!("$ {command}\n{screen}"));
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if code != 0 {
            self.text.push_str(&format!("[exit code {code}]\n"));
        }
        self.text.push('\n');
    }

    /// Everything that was on a screen whose program has ended.
    #[track_caller]
    fn screen(&self, pty: &Pty) -> String {
        let screen = self.host.last_screen(pty);
        let lines = screen.split_inclusive('\n');
        // Of the log that only a test asks for, so much that some was.
        let is_seen = |line: &&str| !line.contains("lines like this were left out");
        lines.filter(is_seen).collect()
    }

    /// Insists that it went as it is written down.
    #[track_caller]
    fn is_as_written(&self, name: &str, cards: &[&Card]) {
        let mut text = self.text.clone();
        for (card, instead) in cards.iter().zip(["TOKEN", "OTHER"]) {
            text = text.replace(&card.ident(), instead);
        }
        let text = text.replace(&*self.host.dir().to_string_lossy(), "DIR");
        let text = mask(&text);
        assert!(!text.contains(PIN), "a PIN is on the screen");
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("transcripts")
            .join(format!("{name}.txt"));
        if env::var_os("WRITE_TRANSCRIPTS").is_some() {
            fs::write(&file, text).expect("the transcript can be written");
            return;
        }
        let written = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            text == written,
            "{name} is told differently now; see the top of this file\n--- now\n{text}\n--- written\n{written}"
        );
    }
}

#[track_caller]
fn answer_prompt(pty: &Pty, prompt: &str, answer: &str) {
    pty.expect(prompt);
    if prompt.contains("PIN")
        || prompt.contains("again")
        || prompt.contains("code")
        || prompt.contains("left")
    {
        pty.await_no_echo();
    }
    pty.type_line(answer);
}

/// The text with its keys, dates and measured times left out.
fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (instead, taken) =
            volatile(rest, masked.chars().last()).unwrap_or((None, first.len_utf8()));
        match instead {
            Some(instead) => masked.push_str(instead),
            None => masked.push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    masked
}

/// What stands here that is different each time: what to write instead, and its length.
fn volatile(text: &str, before: Option<char>) -> Option<(Option<&'static str>, usize)> {
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let quick = "< 1 ms";
    if text.starts_with(quick) {
        return Some((Some("N ms"), quick.len()));
    }
    if let Some(pid) = text.strip_prefix("pid ") {
        let end = pid.find(|c: char| !c.is_ascii_digit());
        return Some((
            Some("pid N"),
            text.len() - pid.len() + end.unwrap_or(pid.len()),
        ));
    }
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let word = &text[..text.find(|c| !is_base64(c)).unwrap_or(text.len())];
    let is_hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if word.len() == 32 && word.chars().all(is_hexadecimal) {
        return Some((Some("ID"), word.len()));
    }
    if word.len() == 44 && word.ends_with('=') {
        return Some((Some("KEY"), word.len()));
    }
    let is_time = |c: char| c.is_ascii_digit() || "-:TZ".contains(c);
    let time = &text[..text.find(|c| !is_time(c)).unwrap_or(text.len())];
    let clock = text[time.len()..].find(" UTC").filter(|at| *at == 6);
    let is_now = time.starts_with("20") || clock.is_some();
    if is_now && time.matches('-').count() == 2 {
        return Some((Some("DATE"), time.len() + clock.map_or(0, |at| at + 4)));
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let number = &text[..text.find(|c| !is_number(c)).unwrap_or(text.len())];
    let unit = &text[number.len()..];
    // How much that is depends on how busy the machine is.
    let thousands = " kB";
    if !number.is_empty() && unit.starts_with(thousands) {
        return Some((Some("N B"), number.len() + thousands.len()));
    }
    let is_measured = ["ms", "s)", "s ago", "B"].iter().any(|end| {
        unit.strip_prefix(' ')
            .is_some_and(|unit| unit.starts_with(end))
    });
    if !number.is_empty() && is_measured {
        return Some((Some("N"), number.len()));
    }
    None
}

#[test]
fn what_differs_each_time_is_left_out() {
    let key = "znfyL6kRj7Bys39y+QUBNa28uOwSQSJ2QuStbXHWbWA=";
    let text = format!(
        "Key {key}, 2026-11-23 09:12 UTC (0.41 s), 41 ms, < 1 ms, pid 4711, 10.0.0.0/8, 2 tries"
    );
    assert_eq!(
        mask(&text),
        "Key KEY, DATE (N s), N ms, N ms, pid N, 10.0.0.0/8, 2 tries"
    );
    assert_eq!(
        mask("id = \"00c2590a4b1e4c7b9f4f0a5d3c2b1a09\""),
        "id = \"ID\""
    );
    assert_eq!(mask("since 2026-11-23T09:12:00Z."), "since DATE.");
    assert_eq!(
        mask("until 2100-01-01"),
        "until 2100-01-01",
        "it was asked for"
    );
}

struct Desk {
    scene: Scene,
    gateway: Gateway,
    card: Card,
}

impl Desk {
    /// A new token in the reader, and a gateway that runs.
    fn new() -> Desk {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let card = Card::with_pin(&scene.world, "traveller", PIN);
        scene.one.start_pcscd();
        card.connect(&scene.one);
        card.insert();
        Desk {
            scene,
            gateway,
            card,
        }
    }

    /// The same with a profile on the token, which the gateway has enrolled.
    fn issued() -> Desk {
        let desk = Desk::new();
        desk.issue();
        desk
    }

    fn issue(&self) {
        let options = ["--route", INNER_NETWORK, "--expires", "2100-01-01"];
        let invitation = self.gateway.invite("traveller", &options);
        self.gateway.enrol(&self.scene.one.issue(&invitation, PIN));
    }
}

#[test]
fn first_use() {
    let Desk {
        scene,
        gateway,
        card,
    } = &Desk::new();
    let mut person = Session::at(&scene.one);
    person.run(&["token", "list"], &[], 0);
    person.run(
        &["token", "pin"],
        &[("PIN for", PIN), ("New PIN: ", PIN), ("again: ", PIN)],
        0,
    );
    // The pipe: only what is told stands on the terminal.
    let invitation = gateway.invite("traveller", &["--route", INNER_NETWORK]);
    let pty = Pty::open();
    let issue = scene.one.tokenvpn(&["token", "issue"]);
    let issue = issue.stdin(&*invitation).with_terminal(&pty).spawn();
    answer_prompt(&pty, "PIN for", PIN);
    assert_eq!(issue.exit_code(SOON), 0);
    let told = issue.stderr().all();
    let prompts = person.screen(&pty);
    person.text.push_str(&format!(
        "$ ssh vps tokenvpn-gateway invite traveller | tokenvpn token issue | ssh vps tokenvpn-gateway enrol\n\
         {prompts}{told}\n"
    ));
    gateway.enrol(&issue.stdout().all());
    card.remove();
    let (up, pty) = person.start(&["up"]);
    pty.expect("Waiting for a token");
    card.insert();
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("to disconnect.");
    card.remove();
    pty.expect("Token removed");
    pty.expect("Waiting for a token");
    person.interrupt(&["up"], (up, pty));
    person.run(&["doctor", "--residue"], &[], 0);
    person.is_as_written("first-use", &[card]);
}

#[test]
fn a_wrong_pin() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    let (up, pty) = person.start(&["up"]);
    answer_prompt(&pty, "3 tries left: ", "123");
    answer_prompt(&pty, "3 tries left: ", "111111");
    answer_prompt(&pty, "2 tries left: ", "222222");
    pty.expect("Type YES to use it");
    pty.type_line("YES");
    answer_prompt(&pty, "1 try left: ", "333333");
    pty.expect("Waiting until");
    pty.expect("\n");
    person.interrupt(&["up"], (up, pty));
    person.run(&["doctor"], &[], 1);
    person.is_as_written("wrong-pin", &[card]);
}

#[test]
fn a_token_s_life() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    let pin = [("PIN for", PIN)];
    person.run(&["token", "list"], &[], 0);
    person.run(&["token", "show"], &pin, 0);
    person.run(&["doctor"], &[], 0);
    person.run(&["doctor", "--gateways"], &pin, 0);
    person.run(&["status"], &[], 3);
    let words = [
        "token",
        "edit",
        "--route",
        "10.20.0.0/16",
        "--dns",
        "10.20.0.53",
    ];
    person.run(&words, &pin, 0);
    let answers = [("PIN for", PIN), ("YES to", "YES")];
    person.run(&["token", "erase"], &answers, 0);
    person.run(&["token", "list"], &[], 0);
    person.run(&["down"], &[], 0);
    person.is_as_written("a-token's-life", &[card]);
}

#[test]
fn a_renewal_and_a_second_gateway() {
    let Desk {
        scene,
        gateway,
        card,
    } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    let pin = [("PIN for", PIN)];
    let renewal = ["--route", INNER_NETWORK, "--expires", "2101-01-01"];
    let file = scene.one.dir().join("invitation");
    let invitation = file.to_string_lossy();
    fs::write(&file, gateway.invite("traveller", &renewal)).unwrap();
    person.run(&["token", "renew", &invitation], &pin, 0);
    // Without the route, and with a key that the gateway does not know before it has enrolled it.
    let lesser = gateway.invite("traveller", &["--expires", "2101-01-01"]);
    fs::write(&file, lesser).unwrap();
    person.run(&["token", "renew", "--new-key", &invitation], &pin, 0);
    let (up, pty) = person.start(&["up", "--once"]);
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("Trying again");
    pty.expect("\n");
    person.interrupt(&["up", "--once"], (up, pty));
    // The first one cannot add itself.
    person.run(&["token", "add-gateway", &invitation], &pin, 1);

    let other = Gateway::init(&scene.two, "198.51.100.20:51820", TUNNEL_NETWORK);
    let options = ["--address", "10.77.0.2", "--expires", "2100-01-01"];
    fs::write(&file, other.invite("traveller", &options)).unwrap();
    person.run(&["token", "add-gateway", &invitation], &pin, 0);
    let words = ["token", "edit", "--endpoint", "198.51.100.21:51820"];
    person.run(&words, &pin, 2);
    let words = [&words[..], &["--gateway", "2"]].concat();
    person.run(&words, &pin, 0);
    let words = ["token", "edit", "--remove-gateway", "2"];
    person.run(&words, &pin, 0);
    person.is_as_written("a-renewal-and-a-second-gateway", &[card]);
}

#[test]
fn a_tunnel_and_its_removal() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    let words = ["up", "--on-removal", "grace:60"];
    let (up, pty) = person.start(&words);
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("to disconnect.");
    person.run(&["status"], &[], 0);
    person.run(&["doctor"], &[], 0);
    card.remove();
    pty.expect("unless it comes back");
    person.run(&["status"], &[], 3);
    card.insert();
    pty.expect("Still connected.");
    person.run(&["down"], &[], 0);
    person.ended(&words, (up, pty));

    let words = ["up", "--on-removal", "hold"];
    let (up, pty) = person.start(&words);
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("to disconnect.");
    card.remove();
    pty.expect("Waiting for a token");
    person.run(&["status"], &[], 3);
    person.run(&["doctor"], &[], 1);
    person.interrupt(&words, (up, pty));
    person.is_as_written("a-tunnel-and-its-removal", &[card]);
}

#[test]
fn a_kill_switch() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    card.remove();
    let words = ["up", "--kill-switch"];
    let (up, pty) = person.start(&words);
    pty.expect("Waiting for a token");
    person.run(&["status"], &[], 3);
    person.run(&["doctor"], &[], 1);
    card.insert();
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("to disconnect.");
    person.run(&["status"], &[], 0);
    card.remove();
    pty.expect("Waiting for a token");
    person.run(&["down"], &[], 0);
    person.ended(&words, (up, pty));
    // What ends otherwise leaves all closed.
    let words = ["up", "--kill-switch", "--wait", "1"];
    person.run(&words, &[], 3);
    person.run(&["doctor"], &[], 1);
    person.run(&["down"], &[], 0);
    person.is_as_written("a-kill-switch", &[card]);
}

#[test]
fn a_new_token_that_has_the_pins_of_every_new_one() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = Card::with_pin(&scene.world, "new", FACTORY_PIN);
    scene.one.start_pcscd();
    card.connect(&scene.one);
    card.insert();
    scene.one.await_token(&card.ident());
    let mut person = Session::at(&scene.one);
    let file = scene.one.dir().join("invitation");
    let options = ["--route", INNER_NETWORK, "--expires", "2100-01-01"];
    fs::write(&file, gateway.invite("traveller", &options)).unwrap();
    let file = file.to_string_lossy();
    person.run(&["token", "issue", &file], &[("PIN for", FACTORY_PIN)], 1);
    let answers = [
        ("PIN for", FACTORY_PIN),
        ("New PIN: ", FACTORY_PIN),
        ("New PIN: ", PIN),
        ("again: ", PIN),
    ];
    person.run(&["token", "pin"], &answers, 0);
    let words = ["token", "issue", "--card-name", "A. Traveller", &file];
    person.run(&words, &[("Admin PIN for", ADMIN_PIN), ("PIN for", PIN)], 0);
    person.is_as_written("a-new-token", &[&card]);
}

#[test]
fn a_new_pin_for_a_blocked_one_and_a_spare_token() {
    let Desk {
        scene,
        gateway,
        card,
    } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    let code = "27182818";
    person.run(
        &["token", "pin", "--reset-code"],
        &[
            ("Admin PIN for", ADMIN_PIN),
            ("New reset code: ", code),
            ("again: ", code),
        ],
        0,
    );
    let wrong = [
        ("3 tries left: ", "111111"),
        ("2 tries left: ", "222222"),
        ("Type YES to use it", "YES"),
        ("1 try left: ", "333333"),
    ];
    person.run(&["token", "show"], &wrong, 5);
    let new = [("New PIN: ", PIN), ("again: ", PIN)];
    let with_code = [&[("Reset code for", code)], &new[..]].concat();
    person.run(&["token", "unblock"], &with_code, 0);
    let with_admin = [&[("Admin PIN for", ADMIN_PIN)], &new[..]].concat();
    person.run(&["token", "unblock", "--admin"], &with_admin, 0);

    let file = scene.one.dir().join("invitation");
    fs::write(&file, gateway.invite("traveller", &["--spare"])).unwrap();
    let file = file.to_string_lossy();
    let words = ["token", "issue", &file];
    let no = [("PIN for", PIN), ("YES to overwrite", "yes")];
    person.run(&words, &no, 1);
    let yes = [("PIN for", PIN), ("YES to overwrite", "YES")];
    person.run(&words, &yes, 0);
    person.is_as_written("a-blocked-pin-and-a-spare-token", &[card]);
}

/// Waits until `up` has said what is wrong with a token, and that it waits for a change of that.
#[track_caller]
fn await_parked(pty: &Pty) {
    pty.expect("Waiting until that changes");
    pty.expect("\n");
}

#[test]
fn a_token_that_another_window_holds() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    let words = ["up", "--interface", "other"];
    let (forgotten, prompt) = person.start(&words);
    prompt.expect("3 tries left: ");
    let (up, pty) = person.start(&["up"]);
    pty.expect("hint: ");
    pty.expect("\n");
    person.run(&["token", "show"], &[], 11);
    person.run(&["doctor"], &[], 0);
    person.interrupt(&words, (forgotten, prompt));
    answer_prompt(&pty, "3 tries left: ", PIN);
    pty.expect("to disconnect.");
    person.interrupt(&["up"], (up, pty));
    person.is_as_written("a-token-in-another-window", &[card]);
}

#[test]
fn two_tokens() {
    let Desk { scene, card, .. } = &Desk::issued();
    let spare = Card::with_pin(&scene.world, "spare", PIN).with_serial("8A1B2C3D");
    spare.connect_to(&scene.one, Slot::Second);
    spare.insert();
    scene.one.await_token(&spare.ident());
    let mut person = Session::at(&scene.one);
    person.run(&["token", "list"], &[], 0);
    person.run(&["token", "show"], &[], 2);
    let (up, pty) = person.start(&["up"]);
    await_parked(&pty);
    spare.remove();
    answer_prompt(&pty, "3 tries left: ", PIN);
    pty.expect("to disconnect.");
    person.interrupt(&["up"], (up, pty));
    person.is_as_written("two-tokens", &[card, &spare]);
}

#[test]
fn a_token_with_nothing_on_it() {
    let Desk { scene, card, .. } = &Desk::new();
    let mut person = Session::at(&scene.one);
    person.run(&["token", "show"], &[("PIN for", PIN)], 8);
    person.run(&["doctor"], &[], 0);
    let (up, pty) = person.start(&["up"]);
    answer_prompt(&pty, "PIN for", PIN);
    await_parked(&pty);
    person.interrupt(&["up"], (up, pty));
    person.is_as_written("an-empty-token", &[card]);
}

#[test]
fn a_token_that_ends() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    person.set_clock("2099-12-27T12:00:00Z");
    person.run(&["doctor"], &[], 0);
    let (up, pty) = person.start(&["up"]);
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("to disconnect.");
    person.interrupt(&["up"], (up, pty));

    person.set_clock("2100-01-08T12:00:00Z");
    let (up, pty) = person.start(&["up"]);
    await_parked(&pty);
    person.interrupt(&["up"], (up, pty));
    person.run(&["token", "list"], &[], 0);
    person.run(&["doctor"], &[], 1);
    person.is_as_written("a-token-that-ends", &[card]);
}

#[test]
fn a_gateway_out_of_reach() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    scene.router.ip("route add blackhole 203.0.113.5/32");
    person.run(&["doctor", "--gateways"], &[("PIN for", PIN)], 1);
    let (up, pty) = person.start(&["up"]);
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("Trying again");
    person.run(&["status"], &[], 3);
    person.run(&["doctor", "--gateways"], &[], 1);
    scene.router.ip("route delete blackhole 203.0.113.5/32");
    pty.expect("to disconnect.");
    person.interrupt(&["up"], (up, pty));
    person.is_as_written("a-gateway-out-of-reach", &[card]);
}

#[test]
fn a_gateway_that_falls_silent() {
    let Desk { scene, card, .. } = &Desk::issued();
    let other = Gateway::init(&scene.two, "198.51.100.20:51820", TUNNEL_NETWORK);
    other.start();
    let invitation = other.invite("traveller", &["--address", "10.77.0.2"]);
    let words = ["token", "add-gateway", "--pin-fd", &PIN_FD.to_string()];
    let added = scene.one.tokenvpn(&words).text_on(PIN_FD, PIN);
    let added = added.stdin(&*invitation).finish();
    other.enrol(&added.expect_code(0).stdout);

    let mut person = Session::at(&scene.one);
    person.run(&["doctor", "--gateways"], &[("PIN for", PIN)], 0);
    let (up, pty) = person.start(&["up"]);
    answer_prompt(&pty, "PIN for", PIN);
    pty.expect("to disconnect.");
    // Only what is asked can fall silent.
    let asking = scene.one.run("ping").args(["-i", "0.2", "10.77.0.1"]);
    let asking = asking.spawn();
    scene.router.ip("route add blackhole 203.0.113.5/32");
    pty.expect("stopped answering");
    pty.expect("\n");
    person.run(&["status"], &[], 0);
    scene.router.ip("route delete blackhole 203.0.113.5/32");
    pty.screen().expect_within("answers again", RETURN);
    pty.expect("\n");
    asking.kill();
    person.interrupt(&["up"], (up, pty));
    person.is_as_written("a-gateway-that-falls-silent", &[card]);
}

#[test]
fn a_token_changed_for_another_at_the_prompt() {
    let Desk { scene, card, .. } = &Desk::issued();
    let other = Card::with_pin(&scene.world, "other", PIN).with_serial("8A1B2C3D");
    let mut person = Session::at(&scene.one);
    let (up, pty) = person.start(&["up"]);
    pty.expect("3 tries left: ");
    pty.await_no_echo();
    pty.press("7391");
    card.remove();
    pty.expect("Waiting for a token");
    other.connect(&scene.one);
    other.insert();
    answer_prompt(&pty, "3 tries left: ", PIN);
    await_parked(&pty);
    person.interrupt(&["up"], (up, pty));
    person.is_as_written("another-token-at-the-prompt", &[card, &other]);
}

#[test]
fn the_last_try() {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one);
    let (up, pty) = person.start(&["up"]);
    answer_prompt(&pty, "3 tries left: ", "111111");
    answer_prompt(&pty, "2 tries left: ", "222222");
    pty.expect("Type YES to use it");
    pty.type_line("no");
    await_parked(&pty);
    card.remove();
    pty.expect("Waiting for a token");
    card.insert();
    pty.expect("Type YES to use it");
    pty.type_line("YES");
    answer_prompt(&pty, "1 try left: ", PIN);
    pty.expect("to disconnect.");
    person.interrupt(&["up"], (up, pty));
    person.is_as_written("the-last-try", &[card]);
}
