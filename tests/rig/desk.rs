//! A computer with a card in its reader, and somebody who runs `tokenvpn token` there.

use serde_json::Value;
use tokenvpn_common::{
    clock::UnixTime,
    invitation::{Enrolment, Invitation, InvitationId, VERSION},
    io::clock,
    key::{PresharedKey, PrivateKey, PublicKey},
};

use crate::{
    card::Card,
    client::PIN_FD,
    host::Host,
    process::{Finished, Process},
    pty::Pty,
    wait,
    world::World,
};

/// A computer with a card in its reader.
#[derive(Debug)]
pub struct Desk {
    /// The card.
    pub card: Card,
    /// The computer.
    pub computer: Host,
    /// Last, so that it goes last.
    pub world: World,
}

impl Desk {
    /// A desk with a new card.
    ///
    /// # Panics
    /// If the card is not listed soon.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it makes files and namespaces")]
    pub fn new() -> Desk {
        Desk::with(|world| Card::new(world, "traveller"))
    }

    /// A desk with this card.
    ///
    /// # Panics
    /// If it is not listed soon.
    #[track_caller]
    pub fn with(card: impl FnOnce(&World) -> Card) -> Desk {
        let world = World::new();
        let computer = world.host("computer");
        computer.start_pcscd();
        let card = card(&world);
        card.connect(&computer);
        card.insert();
        let desk = Desk {
            card,
            computer,
            world,
        };
        desk.await_list(&desk.card.ident());
        desk.card.reset_counts();
        desk
    }

    /// Waits until pcscd has noticed a card.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn await_list(&self, ident: &str) {
        self.computer.await_token(ident);
    }

    /// `tokenvpn token …` without a terminal, its PIN on a descriptor.
    #[track_caller]
    pub fn token(&self, words: &[&str], pin: &str, stdin: &str) -> Finished {
        let number = PIN_FD.to_string();
        self.computer
            .tokenvpn(&["token"])
            .args(words)
            .args(["--pin-fd", &number])
            .text_on(PIN_FD, pin)
            .stdin(stdin)
            .finish()
    }

    /// The same with a person at a terminal.
    #[track_caller]
    pub fn asking(&self, words: &[&str], stdin: &str) -> (Process, Pty) {
        let pty = Pty::open();
        let process = self
            .computer
            .tokenvpn(&["token"])
            .args(words)
            .stdin(stdin)
            .with_terminal(&pty)
            .spawn();
        (process, pty)
    }

    /// Answers the questions of [`Desk::asking`] one after the other, as each appears, and
    /// waits for the end; returns how it went.
    ///
    /// # Panics
    /// If a question does not come, or the end.
    #[track_caller]
    pub fn converse(&self, words: &[&str], stdin: &str, answers: &[(&str, &str)]) -> Conversation {
        let (process, pty) = self.asking(words, stdin);
        for (question, answer) in answers {
            pty.expect(question);
            pty.type_line(answer);
        }
        Conversation {
            code: process.exit_code(wait::SOON),
            stdout: process.stdout().all(),
            // The process writes to both; here it does not matter when.
            said: format!("{}{}", pty.screen().all(), process.stderr().all()),
        }
    }

    /// What `token show --json` says with the PIN that the card was made with.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn shown(&self) -> Value {
        let shown = self.token(&["show", "--json"], self.card.pin(), "");
        serde_json::from_str(&shown.expect_code(0).stdout).expect("JSON")
    }
}

/// How a command on a terminal went.
#[derive(Debug)]
pub struct Conversation {
    /// Its exit code.
    pub code: i32,
    /// What it printed for other programs.
    pub stdout: String,
    /// What the person saw.
    pub said: String,
}

impl Conversation {
    /// Checks the exit code, and that these facts were told.
    ///
    /// # Panics
    /// If it was another one, or a fact is missing.
    #[track_caller]
    pub fn expect(self, code: i32, facts: &[&str]) -> Conversation {
        assert_eq!(self.code, code, "{}", self.said);
        for fact in facts {
            assert!(self.said.contains(fact), "{fact} in:\n{}", self.said);
        }
        self
    }
}

/// An invitation that no gateway has made.
///
/// # Panics
/// Never: its texts are good.
pub fn invitation() -> Invitation {
    Invitation {
        version: VERSION,
        id: InvitationId::generate(),
        name: "traveller".parse().expect("a good text"),
        valid_until: UnixTime(clock::unix_time().0 + 3600),
        expires: Some("2099-12-31".parse().expect("a good text")),
        gateway_public_key: PrivateKey::generate().public(),
        preshared_key: Some(PresharedKey::generate()),
        endpoints: vec!["tokyo.example:51820".parse().expect("a good text")],
        addresses: vec!["10.77.0.7/24".parse().expect("a good text")],
        allowed_ips: vec!["10.20.0.0/16".parse().expect("a good text")],
        dns: vec!["10.77.0.1".parse().expect("a good text")],
        mtu: 1420,
        keepalive: 25,
    }
}

/// What a token with this key would answer to an invitation (both TOML).
///
/// # Panics
/// If it is none.
#[track_caller]
pub fn enrolment(invitation: &str, public_key: PublicKey) -> String {
    let invitation = Invitation::from_toml(invitation).expect("an invitation");
    let enrolment = Enrolment {
        version: VERSION,
        id: invitation.id,
        name: invitation.name,
        public_key,
        serial: 1,
    };
    enrolment.to_toml()
}
