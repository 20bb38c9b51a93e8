//! `tokenvpn token`: looks at tokens, fills them and empties them.

mod add_gateway;
mod change;
mod content;
mod edit;
mod erase;
mod invited;
mod issue;
mod list;
mod renew;
mod secrets;
mod show;
mod unblock;
mod writing;

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, RawFd};
use std::{process, thread};

use clap::{Args, Subcommand};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokenvpn_common::io::card::{self, CardError, FULL_TRIES, Pin, Secret, Token, Unlocked};
use tokenvpn_common::io::hardening;
use tokenvpn_common::language::say;
use tokenvpn_common::token::Ident;

use self::secrets::{goes_on, tell_of_silence};
use crate::cli::descriptor;
use crate::lifecycle::Askable;
use crate::message::{PinNeeded, Unable};
use crate::pin::{self, PinError, Source};
use crate::supervisor::askable;
use crate::terminal::{self, Terminal};
use crate::words::{self, Destroying, Doing, Failure, State, help};

// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    #[command(about = say().help_token_list())]
    List(list::List),
    #[command(about = say().help_token_show())]
    Show(show::Show),
    #[command(about = say().help_token_issue())]
    Issue(issue::Issue),
    #[command(about = say().help_token_renew())]
    Renew(renew::Renew),
    #[command(about = say().help_token_add_gateway())]
    AddGateway(add_gateway::AddGateway),
    #[command(about = say().help_token_edit())]
    Edit(edit::Edit),
    #[command(about = say().help_token_erase())]
    Erase(erase::Erase),
    #[command(
        about = say().help_token_pin(),
        long_about = help::with_more(&say().help_token_pin(), &say().help_token_pin_more())
    )]
    Pin(change::Change),
    #[command(
        about = say().help_token_unblock(),
        long_about = help::with_more(&say().help_token_unblock(), &say().help_token_unblock_more())
    )]
    Unblock(unblock::Unblock),
}

// Which token, and whether its reader asks for PINs.
#[derive(Debug, Args)]
pub(crate) struct Named {
    #[arg(long, value_name = say().value_ident(), help = say().help_which_token())]
    pub(crate) token: Option<Ident>,
    #[arg(long, help = say().help_no_keypad())]
    pub(crate) no_keypad: bool,
}

// Which token, and who says its PIN.
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    named: Named,
    #[arg(
        long,
        value_name = say().value_number(),
        value_parser = descriptor,
        help = say().help_pin_fd()
    )]
    pub(crate) pin_fd: Option<RawFd>,
}

/// Does it.
///
/// # Errors
/// What went wrong, for people.
pub(crate) fn run(command: TokenCommand) -> Result<(), Failure> {
    terminal::ignore_job_control();
    // A list is of what any user may ask the card for.
    if !matches!(command, TokenCommand::List(_)) {
        protect()?;
    }
    match command {
        TokenCommand::List(list) => list.run(),
        TokenCommand::Show(show) => show.run(),
        TokenCommand::Issue(issue) => issue.run(),
        TokenCommand::Renew(renew) => renew.run(),
        TokenCommand::AddGateway(add) => add.run(),
        TokenCommand::Edit(edit) => edit.run(),
        TokenCommand::Erase(erase) => erase.run(),
        TokenCommand::Pin(change) => change.run(),
        TokenCommand::Unblock(unblock) => unblock.run(),
    }
}

/// Keys and PINs stay out of core dumps and, where this user may say so, out of swap.
fn protect() -> Result<(), Failure> {
    hardening::seal().map_err(|error| Doing::ProtectMemory.failed(words::with_causes(&error)))?;
    if let Err(error) = hardening::harden() {
        tracing::debug!(reason = %error.errno, "memory cannot be locked");
        // For this no user has to be root.
        if !fs::read_to_string("/proc/swaps").is_ok_and(|swaps| !has_swap(&swaps)) {
            eprintln!("{}", say().secrets_may_be_swapped());
        }
    }
    Ok(())
}

/// Whether there is an area below the head of proc_swaps(5).
fn has_swap(swaps: &str) -> bool {
    swaps.lines().count() > 1
}

/// Ctrl-C and its like, kept from ending the program with the echo off or a profile half
/// written. They end the next question instead.
pub(crate) struct Interrupts(SignalFd);

impl Interrupts {
    /// To be called before any thread is started.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn hold() -> Result<Interrupts, Failure> {
        let signals = terminal::ending_signals();
        signals
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC))
            .map(Interrupts)
            .map_err(|errno| Doing::HoldSignals.failed(errno))
    }

    /// Readable once there was one.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    /// Waits meanwhile for a reader or the smart-card service, which cannot be called off: an
    /// interrupt ends the whole program with this failure. The card is reset when that has done.
    pub(crate) fn end_all_during<T>(
        &self,
        failure: impl FnOnce() -> Failure + Send,
        waiting: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        let (end, answered) = io::pipe().map_err(|error| Doing::HoldSignals.failed(error))?;
        Ok(thread::scope(|scope| {
            scope.spawn(move || {
                if self.comes_before(end.as_fd()) {
                    if let Some(terminal) = Terminal::open() {
                        terminal.leave_interrupt();
                    }
                    let failure = failure();
                    eprintln!("{failure}");
                    process::exit(failure.code.into());
                }
            });
            let answer = waiting();
            drop(answered);
            answer
        }))
    }

    /// Waits for an interrupt or the end of the other; whether it was the interrupt.
    fn comes_before(&self, end: BorrowedFd<'_>) -> bool {
        loop {
            let mut sources = [self.0.as_fd(), end].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            let _ = poll(&mut sources, PollTimeout::NONE);
            match sources.map(|source| source.any() == Some(true)) {
                [false, false] => {}
                [interrupted, _] => return interrupted,
            }
        }
    }
}

impl Named {
    /// Takes the token that is meant. An interrupt ends the program meanwhile: the service may
    /// hang.
    fn open(&self, interrupts: &Interrupts) -> Result<Token, Failure> {
        interrupts.end_all_during(words::left_token, || {
            let (reader, ident) = self.search()?;
            let mut token = Token::open(&reader).map_err(failure)?;
            if self.no_keypad {
                token.leave_keypad();
            }
            match token.ident() == ident {
                true => Ok(token),
                // Another was put in its place meanwhile.
                false => Err(failure(CardError::Removed)),
            }
        })?
    }

    /// Finds the token that is meant, the one named or the only one there is, and its reader. An
    /// interrupt ends the program meanwhile.
    ///
    /// # Errors
    /// There is none, or none that can be used, or there are several.
    pub(crate) fn find(&self, interrupts: &Interrupts) -> Result<(String, Ident), Failure> {
        interrupts.end_all_during(words::left_token, || self.search())?
    }

    fn search(&self) -> Result<(String, Ident), Failure> {
        let seen = card::list().map_err(failure)?;
        let mut idents = Vec::new();
        let mut refusals = Vec::new();
        for seen in seen {
            match seen.card {
                Ok(facts) => idents.push((seen.reader, facts)),
                Err(error) => refusals.push(error),
            }
        }
        if let Some(token) = self.token {
            idents.retain(|(_, facts)| facts.ident == token);
            // The one asked for may be the one that another program holds, but a card that is no
            // token of ours is not.
            refusals.retain(|refusal| matches!(refusal, CardError::Busy { .. }));
        }
        match &idents[..] {
            [(reader, facts)] => Ok((reader.clone(), facts.ident)),
            [] => Err(match (refusals.into_iter().next(), self.token) {
                (Some(refusal), _) => failure(refusal),
                (None, Some(token)) => words::not_plugged_in(token),
                (None, None) => failure(CardError::NoToken),
            }),
            several => {
                let tokens = several.iter().map(|(_, facts)| facts.into()).collect();
                Err(State::PickToken { tokens }.into())
            }
        }
    }
}

impl Which {
    /// Takes the token that is meant.
    fn open(&self, interrupts: &Interrupts) -> Result<Token, Failure> {
        self.named.open(interrupts)
    }

    /// Takes the token and has it unlocked.
    fn unlock(&self, interrupts: &Interrupts) -> Result<Unlocked, Failure> {
        let source = self.pin_source(interrupts)?;
        source.unlock(self.open(interrupts)?, interrupts)
    }

    /// The same, to put a key on it.
    fn unlock_for_a_key(&self, interrupts: &Interrupts) -> Result<Unlocked, Failure> {
        for_a_key(self.unlock(interrupts)?, interrupts)
    }

    /// Finds out who says the PIN. One that is handed over is read, before anybody has to wait for
    /// the token: it may be long in coming.
    fn pin_source(&self, interrupts: &Interrupts) -> Result<PinSource, Failure> {
        let given = pin::given(self.pin_fd).and_then(|given| {
            given
                .map(|descriptor| pin::read(descriptor, interrupts.source()))
                .transpose()
        });
        Ok(match given.map_err(|error| words::no_pin(&error))? {
            Some(pin) => PinSource::Given(pin),
            None => PinSource::Person(askable(Terminal::open().as_ref())),
        })
    }
}

/// The token, if not everybody knows its PIN: it is to get a key.
fn for_a_key(token: Unlocked, interrupts: &Interrupts) -> Result<Unlocked, Failure> {
    refuse_factory(Secret::Pin, token.has_factory_pin(), interrupts)?;
    Ok(token)
}

/// Refuses a token whose secret everybody knows. What was typed on a reader was not seen here: then
/// its owner has to say that it is another one.
fn refuse_factory(
    secret: Secret,
    is_factory: Option<bool>,
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    match is_factory {
        Some(false) => Ok(()),
        Some(true) => Err(words::factory(secret)),
        None => {
            let question = words::unseen_question(secret);
            match pin::confirm(&question, &say().yes(), interrupts.source()) {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(words::perhaps_factory(secret)),
            }
        }
    }
}

/// Who says the PIN.
enum PinSource {
    /// Nobody: it was handed over.
    Given(Pin),
    /// Whoever can be asked, here or on the reader.
    Person(Askable),
}

impl PinSource {
    /// Has the token unlocked: once by a PIN that nobody typed, or by a person, as often
    /// as that person tries.
    fn unlock(self, mut token: Token, interrupts: &Interrupts) -> Result<Unlocked, Failure> {
        match self {
            PinSource::Given(pin) => interrupts.end_all_during(words::left_token, || {
                match token.tries_left().map_err(failure)? {
                    0 => return Err(State::PinBlocked.into()),
                    FULL_TRIES.. => {}
                    tries_left => return Err(State::PinUntried { tries_left }.into()),
                }
                token.unlock(pin).map_err(|(_, error)| failure(error))
            })?,
            PinSource::Person(askable) => unlock_by_person(token, askable, interrupts),
        }
    }
}

#[expect(clippy::result_large_err, reason = "the token moves either way")]
fn unlock_by_person(
    mut token: Token,
    askable: Askable,
    interrupts: &Interrupts,
) -> Result<Unlocked, Failure> {
    let mut unable = None::<Unable>;
    loop {
        let tries_left = token.tries_left().map_err(failure)?;
        let needed = PinNeeded {
            tries_left,
            // It was told at once.
            refused: None,
            pinpad: token.has_pinpad().map_err(failure)?,
            unable: unable.clone(),
        };
        let (said, source) = askable.question(token.ident(), needed)?;
        tell(&said);
        if let Some(unable) = &mut unable {
            unable.told = true;
        }
        let unlocked = if source == Source::Pinpad {
            interrupts.end_all_during(words::left_reader, || {
                token.unlock_by_pinpad(&tell_of_silence)
            })?
        } else {
            match pin::ask_at(source, token.ident(), tries_left, interrupts.source()) {
                Ok(pin) => interrupts.end_all_during(words::left_token, || token.unlock(pin))?,
                Err(error @ PinError::Asking { .. }) => {
                    let failure = words::cannot_ask(&error);
                    unable = Some(Unable {
                        source,
                        failure,
                        told: false,
                    });
                    continue;
                }
                Err(error) => return Err(words::no_pin(&error)),
            }
        };
        token = match unlocked {
            Ok(unlocked) => return Ok(unlocked),
            Err((token, error)) => {
                goes_on(error)?;
                token
            }
        };
    }
}

/// Tells the person at the terminal what is told before a question.
pub(crate) fn tell(said: &[State]) {
    for text in said.iter().map(State::text).filter(|text| !text.is_empty()) {
        eprint!("{}", text + "\n");
    }
}

/// A card's error in a command that somebody waits for.
pub(crate) fn failure(error: CardError) -> Failure {
    words::card(&error).unwrap_or_else(|| State::from(error).into())
}

/// The answer to a question whether to destroy something.
fn confirm(question: &str, destroying: Destroying, interrupts: &Interrupts) -> Result<(), Failure> {
    match pin::confirm(question, &say().yes(), interrupts.source()) {
        Ok(true) => Ok(()),
        Ok(false) | Err(PinError::Cancelled | PinError::Interrupted) => {
            Err(words::refused(destroying))
        }
        Err(_) => Err(words::not_asked(destroying)),
    }
}

/// The version of what `--json` prints.
const SCHEMA: u32 = 1;

/// Writes to stdout, where others read: a closed pipe is an error and no panic.
fn print(text: &str) -> Result<(), Failure> {
    print_to_stdout(text).map_err(|error| words::not_printed(&error))
}

fn print_to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_without_swap_is_told_from_others() {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!has_swap(head) && !has_swap(""));
        let area = "/dev/sda2                               partition\t999420\t\t0\t\t-2\n";
        assert!(has_swap(&format!("{head}{area}")));
    }
}
