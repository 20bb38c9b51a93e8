//! What people see, word for word: the main flows on a terminal, compared with the transcripts in
//! `golden/`. After a change of the words, `WRITE_TRANSCRIPTS=1 cargo test --test transcripts`
//! writes them anew, to be read before they are committed.
//!
//! Each flow goes through a second time in the language `en_XA`, in which every text of the
//! language's file stands in brackets: what people read outside of them stands in no such file.

/// The flows of a module, each a function of the language, as tests.
macro_rules! in_both_languages {
    ($($flow:ident,)*) => {
        mod in_english {
            $(#[test] fn $flow() { super::$flow($crate::Language::English); })*
        }

        // Only such programs know that language.
        #[cfg(debug_assertions)]
        mod in_brackets {
            $(#[test] fn $flow() { super::$flow($crate::Language::Bracketed); })*
        }
    };
}

mod brackets;
mod command_lines;
mod gateway;
mod mask;
mod session;
mod tokens;
mod trouble;
mod tunnels;

use rig::{Card, Gateway, Scene, scene::INNER_NETWORK};

use self::session::Screen;

/// What the programs speak in a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    English,
    /// English, every text in brackets.
    #[cfg_attr(not(debug_assertions), expect(dead_code))]
    Bracketed,
}

/// What a new card's PIN is changed to.
const PIN: &str = "739154";

/// The PIN of every new card (OpenPGP card 3.4.1 §4.3.1).
const FACTORY_PIN: &str = "123456";

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

/// Waits until `up` has said what is wrong with a token, and that it waits for a change of that.
#[track_caller]
fn await_parked(screen: &Screen) {
    screen.expect("Waiting until that changes");
    screen.expect("\n");
}
