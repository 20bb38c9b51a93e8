//! A person at a terminal.

use std::{cell::Cell, env, fs, path::PathBuf, time::Duration};

use rig::{
    Card, Gateway, Host, Invocation, Process, Pty, WallClock,
    pty::CTRL_C,
    wait::{self, SOON},
};
use tokenvpn_common::{clock::UnixTime, io::clock::unix_time};

use crate::{Language, PIN, brackets, mask::mask};

/// A person at a terminal, and what was on its screen.
pub(crate) struct Session {
    host: Host,
    program: &'static str,
    language: Language,
    /// Another one than the computer's, if it is wrong.
    clock: Option<WallClock>,
    text: String,
    /// What of the text the programs have said, a screen each.
    screens: Vec<String>,
}

/// The screen of a program that runs.
pub(crate) struct Screen {
    pty: Pty,
    language: Language,
    /// Up to here [`Screen::expect`] has looked at what it shows without brackets.
    seen: Cell<usize>,
}

impl Screen {
    pub(crate) fn open(language: Language) -> Screen {
        Screen {
            pty: Pty::open(),
            language,
            seen: Cell::new(0),
        }
    }

    pub(crate) fn pty(&self) -> &Pty {
        &self.pty
    }

    /// Waits for a text in English behind the last one, in whatever brackets it comes.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) {
        self.expect_within(text, SOON);
    }

    #[track_caller]
    pub(crate) fn expect_within(&self, text: &str, within: Duration) {
        let seen = self.seen.get();
        let shown = || self.pty.screen().all().replace(['⟦', '⟧'], "");
        let found = wait::poll(within, || {
            let at = shown()[seen..].find(text)?;
            Some(seen + at + text.len())
        });
        match found {
            Some(end) => self.seen.set(end),
            None => panic!("waited {within:?} in vain for {text:?}: {}", shown()),
        }
    }

    /// Types this at a prompt. What the screen shows of it is a word of the language, the rest
    /// is secret.
    #[track_caller]
    pub(crate) fn answer(&self, prompt: &str, answer: &str) {
        self.expect(prompt);
        match (prompt.contains("YES"), self.language) {
            (true, Language::Bracketed) => self.pty.type_line(&format!("⟦{answer}⟧")),
            (true, Language::English) => self.pty.type_line(answer),
            (false, _) => {
                self.pty.await_no_echo();
                self.pty.type_line(answer);
            }
        }
    }
}

impl Session {
    /// Somebody with a token.
    pub(crate) fn at(host: &Host, language: Language) -> Session {
        Session::with("tokenvpn", host, language)
    }

    /// The administrator of a gateway.
    pub(crate) fn at_gateway(host: &Host, language: Language) -> Session {
        Session::with("tokenvpn-gateway", host, language)
    }

    fn with(program: &'static str, host: &Host, language: Language) -> Session {
        Session {
            host: host.clone(),
            program,
            language,
            clock: None,
            text: String::new(),
            screens: Vec::new(),
        }
    }

    /// Lets the computer believe that it is this moment.
    pub(crate) fn set_clock(&mut self, moment: &str) {
        let moment: UnixTime = moment.parse().expect("a moment");
        let now = unix_time();
        let clock = self.clock.get_or_insert_with(|| WallClock::new(&self.host));
        clock.set_fast(i64::try_from(moment.0).unwrap() - i64::try_from(now.0).unwrap());
    }

    /// This person's program with these words, in this person's language.
    pub(crate) fn command(&self, words: &[&str]) -> Invocation {
        let program = match self.program {
            "tokenvpn" => self.host.tokenvpn(words),
            _ => Gateway::at(&self.host).command(words),
        };
        let program = match self.language {
            Language::English => program,
            Language::Bracketed => program.env("LC_ALL", "en_XA.UTF-8"),
        };
        match &self.clock {
            Some(clock) => clock.of(program),
            None => program,
        }
    }

    /// A command that ends by itself; each prompt gets its answer.
    #[track_caller]
    pub(crate) fn run(&mut self, words: &[&str], answers: &[(&str, &str)], code: i32) {
        let program = self.command(words);
        self.run_as(&self.shown(words), program, answers, code);
    }

    /// The same, of a program that was prepared otherwise.
    #[track_caller]
    pub(crate) fn run_as(
        &mut self,
        command: &str,
        program: Invocation,
        answers: &[(&str, &str)],
        code: i32,
    ) {
        let screen = self.open();
        let process = program.on(screen.pty()).spawn();
        for (prompt, answer) in answers {
            screen.answer(prompt, answer);
        }
        let ended = process.exit_code(SOON);
        assert_eq!(ended, code, "{command}: {}", screen.pty.screen().all());
        let said = self.last_of(&screen);
        self.note(command, said, ended);
    }

    /// A terminal to start something on.
    pub(crate) fn open(&self) -> Screen {
        Screen::open(self.language)
    }

    /// A command that goes on until it is told to end.
    #[track_caller]
    pub(crate) fn start(&self, words: &[&str]) -> (Process, Screen) {
        let screen = self.open();
        let process = self.command(words).on(screen.pty()).spawn();
        (process, screen)
    }

    /// Ends what was started by Ctrl-C.
    #[track_caller]
    pub(crate) fn interrupt(&mut self, words: &[&str], (process, screen): (Process, Screen)) {
        screen.pty.press(CTRL_C);
        self.ended(words, (process, screen));
    }

    /// What was started has ended.
    #[track_caller]
    pub(crate) fn ended(&mut self, words: &[&str], (process, screen): (Process, Screen)) {
        let ended = process.exit_code(SOON);
        let said = self.last_of(&screen);
        self.note(&self.shown(words), said, ended);
    }

    /// Looks at a live view until this text has come twice, and writes down the last picture.
    #[track_caller]
    pub(crate) fn look_once(&mut self, words: &[&str], last: &str) {
        let (process, screen) = self.start(words);
        for _ in 0..2 {
            screen.expect(last);
        }
        screen.pty.press("q");
        assert_eq!(process.exit_code(SOON), 0);
        let all = self.last_of(&screen);
        let (frames, _) = all.rsplit_once("\x1b[J").expect("a whole picture");
        let (_, picture) = frames.rsplit_once("\x1b[H").expect("its beginning");
        let picture = picture.replace("\x1b[K", "");
        // How much has flowed when is different each time.
        let is_graph = |c: char| ('▁'..='█').contains(&c);
        let lines = picture.lines();
        let lines = lines.map(|line| line.trim_end_matches(is_graph).trim_end());
        let said = lines.map(|line| format!("{line}\n")).collect();
        self.note(&self.shown(words), said, 0);
    }

    /// Writes down what a command has said, and how it ended.
    pub(crate) fn note(&mut self, command: &str, said: String, code: i32) {
        self.text.push_str(&format!("$ {command}\n{said}"));
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if code != 0 {
            self.text.push_str(&format!("[exit code {code}]\n"));
        }
        self.text.push('\n');
        self.screens.push(said);
    }

    /// Everything that was on a screen whose program has ended.
    #[track_caller]
    pub(crate) fn last_of(&self, screen: &Screen) -> String {
        let text = self.host.last_screen(&screen.pty);
        let lines = text.split_inclusive('\n');
        // Of the log that only a test asks for, so much that some was.
        let is_seen = |line: &&str| !line.contains("lines like this were left out");
        lines.filter(is_seen).collect()
    }

    /// Insists that it went as it is written down; or, where texts stand in brackets, that
    /// nothing but data stands outside of them.
    #[track_caller]
    pub(crate) fn is_as_written(&self, name: &str, cards: &[&Card]) {
        let masked = |text: &str| {
            let mut text = text.to_owned();
            for (card, instead) in cards.iter().zip(["TOKEN", "OTHER"]) {
                text = text.replace(&card.ident(), instead);
            }
            mask(&text.replace(&*self.host.dir().to_string_lossy(), "DIR"))
        };
        let text = masked(&self.text);
        assert!(!text.contains(PIN), "a PIN is on the screen");
        if self.language == Language::Bracketed {
            for screen in &self.screens {
                brackets::assert_only_data_outside(&masked(screen));
            }
            return;
        }
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("transcripts/golden")
            .join(format!("{name}.txt"));
        if env::var_os("WRITE_TRANSCRIPTS").is_some() {
            fs::write(&file, text).expect("the transcript can be written");
            return;
        }
        let written = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            text == written,
            "{name} is told differently now; see the top of main.rs\n--- now\n{text}\n--- written\n{written}"
        );
    }

    fn shown(&self, words: &[&str]) -> String {
        format!("{} {}", self.program, words.join(" "))
    }
}
