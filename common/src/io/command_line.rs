//! The command line as people meet it: what clap says of it, in the chosen language.

use std::error::Error;
use std::fmt::Write as _;
use std::num::ParseIntError;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, Parser};

use crate::language::say;

/// Reads the command line of this process.
///
/// # Errors
/// It is none that `C` knows, see [`refusal`]; or it asks for help or the version, which the error
/// prints ([`clap::Error::exit`]).
pub fn parse<C: Parser>() -> Result<C, clap::Error> {
    // Only once it is built is there a subcommand `help`.
    let mut command = command::<C>();
    command.build();
    let mut command = name_help(command);
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    C::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The command line `C` with the help that people read.
#[must_use]
pub fn command<C: Parser>() -> Command {
    told(C::command())
}

/// Behind all other options, those for all commands too.
const LAST: usize = 1000;

fn told(command: Command) -> Command {
    let has_more = command.get_long_about().is_some()
        || command.get_after_long_help().is_some()
        || command
            .get_arguments()
            .any(|argument| argument.get_long_help().is_some());
    let help = match has_more {
        true => say().usage_print_help_of_two(),
        false => say().usage_print_help(),
    };
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .display_order(LAST)
        .help(help);
    let has_version = command.get_version().is_some();
    let command = command
        .mut_args(tell_default)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(help)
        .mut_subcommands(told);
    let command = match has_version {
        true => command.arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .display_order(LAST + 1)
                .help(say().usage_print_version()),
        ),
        false => command,
    };
    let template = template(&command);
    command.help_template(template)
}

/// Says the default of an argument behind its help, where clap would in its own words.
fn tell_default(argument: Arg) -> Arg {
    let values = argument.get_default_values().join(" ".as_ref());
    match argument.get_help().cloned() {
        Some(help) if !values.is_empty() => {
            let default = say().usage_default(&values.display());
            argument
                .hide_default_value(true)
                .help(format!("{help} {default}"))
        }
        _ => argument,
    }
}

/// What stands where in a help, under headings of ours.
fn template(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let mut template = "{before-help}{about-with-newline}\n".to_owned();
    let usage = say().usage_heading();
    let style = command.get_styles().get_usage();
    let _ = write!(template, "{style}{usage}{style:#} {{usage}}");
    let mut part = |heading: String, tag| {
        let _ = write!(template, "\n\n{header}{heading}{header:#}\n{{{tag}}}");
    };
    if command.has_subcommands() {
        part(say().usage_commands(), "subcommands");
    }
    if command.get_positionals().next().is_some() {
        part(say().usage_arguments(), "positionals");
    }
    if command
        .get_arguments()
        .any(|argument| !argument.is_positional())
    {
        part(say().usage_options(), "options");
    }
    template + "{after-help}"
}

/// The words that clap has of its own in a help, said by us: only where it is built are they there.
fn name_help(command: Command) -> Command {
    let mut command = command.subcommand_value_name(say().value_command());
    let usage = command.render_usage().ansi().to_string();
    let (_clap_s_heading, usage) = usage.split_once(' ').unwrap_or_default();
    let usage = usage.replace("[OPTIONS]", &say().usage_any_options());
    let template = template(&command).replace("{usage}", &usage);
    let mut command = command.help_template(template);
    if command.find_subcommand("help").is_some() {
        command = command.mut_subcommand("help", |help| help.about(say().usage_help_command()));
    }
    command.mut_subcommands(name_help)
}

/// Why a command line is none: one line. Below it, what was meant, if that can be guessed.
#[must_use]
pub fn refusal(error: &clap::Error) -> (String, Option<String>) {
    let context = |kind| {
        error
            .get(kind)
            .filter(|value| **value != ContextValue::None)
    };
    let about = |kind| context(kind).map(ToString::to_string).unwrap_or_default();
    let argument = about(ContextKind::InvalidArg);
    let value = about(ContextKind::InvalidValue);
    let text = match error.kind() {
        ErrorKind::UnknownArgument => say().usage_unknown_argument(&argument),
        ErrorKind::InvalidSubcommand => {
            say().usage_unknown_command(&about(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand => {
            let commands = about(ContextKind::ValidSubcommand);
            say().usage_no_command(&about(ContextKind::InvalidSubcommand), &commands)
        }
        ErrorKind::MissingRequiredArgument => say().usage_missing(&argument),
        ErrorKind::ArgumentConflict => match about(ContextKind::PriorArg) {
            prior if prior == argument => say().usage_repeated(&argument),
            prior => say().usage_conflict(&argument, &prior),
        },
        ErrorKind::InvalidValue if value.is_empty() => say().usage_no_value(&argument),
        ErrorKind::InvalidValue => {
            let possible = about(ContextKind::ValidValue);
            say().usage_other_value(&value, &argument, &possible)
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(|source| reason(&value, source));
            say().usage_bad_value(&value, &argument, &reason.unwrap_or_default())
        }
        ErrorKind::TooManyValues => say().usage_too_many(&value, &argument),
        ErrorKind::InvalidUtf8 => say().usage_no_text(),
        // None of our command lines can fail otherwise; clap's own words then, without the usage.
        _ => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    let meant = context(ContextKind::SuggestedArg).or(context(ContextKind::SuggestedSubcommand));
    (text, meant.map(|meant| say().usage_meant(meant)))
}

/// Why a value is none: of what the libraries read, in words of ours.
fn reason(value: &str, error: &(dyn Error + 'static)) -> String {
    if error.is::<ParseIntError>() {
        say().malformed_number()
    } else if error.is::<std::net::AddrParseError>() {
        say().malformed_address()
    } else if error.is::<ipnet::AddrParseError>() {
        say().no_network(value)
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Parser, Subcommand};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "ship", version = "1", about = "Sails")]
    struct Ship {
        #[command(subcommand)]
        order: Order,
    }

    #[derive(Debug, Subcommand)]
    enum Order {
        #[command(about = "Goes somewhere")]
        Sail(Sail),
    }

    #[derive(Debug, Args)]
    struct Sail {
        #[arg(long, help = "How fast", default_value = "5")]
        knots: u8,
        #[arg(long, help = "Slowly", conflicts_with = "knots")]
        slow: bool,
        #[arg(value_parser = ["north", "south"], help = "Whither")]
        course: String,
    }

    fn refused(words: &[&str]) -> (String, Option<String>) {
        let words = ["ship"].iter().chain(words);
        refusal(&command::<Ship>().try_get_matches_from(words).unwrap_err())
    }

    #[test]
    fn what_is_wrong_with_a_command_line_is_told_in_a_line_of_ours() {
        for (words, told) in [
            (
                &["sail", "north", "--fast"][..],
                "there is no option or argument '--fast' here",
            ),
            (
                &["sail", "north", "south"],
                "there is no option or argument 'south' here",
            ),
            (&["dive"], "there is no command 'dive'"),
            (&["sail"], "what is missing: <COURSE>"),
            (
                &["sail", "north", "--slow", "--slow"],
                "'--slow' can be given only once",
            ),
            (
                &["sail", "north", "--slow", "--knots", "3"],
                "'--slow' cannot stand together with '--knots <KNOTS>'",
            ),
            (&["sail", "--knots"], "'--knots <KNOTS>' needs a value"),
            (
                &["sail", "west"],
                "'west' is no value for '<COURSE>'; there are: north, south",
            ),
            (
                &["sail", "--knots", "x", "north"],
                "'x' is no value for '--knots <KNOTS>': it is a whole number, 1 or more",
            ),
        ] {
            assert_eq!(refused(words).0, told, "{words:?}");
        }
    }

    #[test]
    fn what_was_meant_is_guessed() {
        let meant = |words: &[&str]| refused(words).1;
        assert_eq!(meant(&["sial"]), Some("did you mean sail?".into()));
        assert_eq!(
            meant(&["sail", "north", "--knot", "5"]),
            Some("did you mean --knots?".into())
        );
        assert_eq!(meant(&["sail"]), None);
    }

    #[test]
    fn a_help_has_no_heading_for_nothing() {
        let help = |words: &[&str]| {
            let mut command = command::<Ship>();
            command.build();
            let asked = name_help(command).try_get_matches_from(words).unwrap_err();
            assert_eq!(asked.kind(), ErrorKind::DisplayHelp);
            asked.to_string()
        };
        assert_eq!(
            help(&["ship", "-h"]),
            "Sails\n\nUsage: ship <COMMAND>\n\nCommands:\n  sail  Goes somewhere\n  \
             help  Print this, or the help of a command\n\nOptions:\n  -h, --help     \
             Print help\n  -V, --version  Print version\n"
        );
        let sail = help(&["ship", "sail", "-h"]);
        assert!(sail.contains("How fast [default: 5]"), "{sail}");
        assert!(
            !sail.contains("Commands:") && sail.contains("Arguments:"),
            "{sail}"
        );
        let help = help(&["ship", "help", "help"]);
        assert!(!help.contains("Options:"), "{help}");
    }
}
