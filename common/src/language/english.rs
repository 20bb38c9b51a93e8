//! English.

use super::{Language, argument, text, texts, translated};

pub(super) struct English;

impl Language for English {}

/// `1 try`, `3 tries`
fn tries(left: u8) -> String {
    match left {
        1 => "1 try".into(),
        left => format!("{left} tries"),
    }
}

/// `1 day`, `3 days`
fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

// What is wrong with a command line, and the frame of every help.
texts! { Usage in English;
    usage_heading() = "Usage:";
    usage_commands() = "Commands:";
    usage_arguments() = "Arguments:";
    usage_options() = "Options:";
    usage_default(value) = "[default: {value}]";
    usage_print_help() = "Print help";
    usage_print_help_of_two() = "Print help; --help tells more than -h";
    usage_print_version() = "Print version";
    usage_help_command() = "Print this, or the help of a command";

    usage_unknown_argument(argument) = "there is no option or argument '{argument}' here";
    usage_unknown_command(command) = "there is no command '{command}'";
    usage_no_command(command, commands) = "'{command}' needs one of its commands: {commands}";
    usage_missing(arguments) = "what is missing: {arguments}";
    usage_repeated(argument) = "'{argument}' can be given only once";
    usage_conflict(argument, other) = "'{argument}' cannot stand together with '{other}'";
    usage_no_value(argument) = "'{argument}' needs a value";
    usage_bad_value(value, argument, reason) = "'{value}' is no value for '{argument}': {reason}";
    usage_other_value(value, argument, values) =
        "'{value}' is no value for '{argument}'; there are: {values}";
    usage_too_many(value, argument) = "'{value}' is one value too many for '{argument}'";
    usage_no_text() = "the command line is no UTF-8 text";
    usage_meant(meant) = "did you mean {meant}?";
}

// Errors and names of what both programs share.
texts! { Shared in English;
    malformed_key() = "a key is 44 characters of base64 (32 bytes)";
    low_order_key() = "this public key is of low order and protects nothing";
    malformed_date() = "a date is a day (2026-11-29) or a moment (2026-11-29T18:00:00Z)";
    date_out_of_range() = "a date lies between 1970 and 9999";
    second(number) = "second {number}";
}

// The states of `tokenvpn up`.
texts! { Up in English;
}

// What `tokenvpn` asks people for.
texts! { Prompt in English;
}

// The commands for tokens.
texts! { Token in English;
}

// What `tokenvpn doctor` finds.
texts! { Doctor in English;
}

// `tokenvpn status`, once and live.
texts! { Status in English;
}

// What keeps a tunnel of `tokenvpn` from standing, its own faults, and its command line.
texts! { Tunnel in English;
}

// The help of `tokenvpn`.
texts! { Help in English;
}

// What only its manual pages say.
texts! { Manual in English;
}

// `tokenvpn-gateway`.
texts! { Gateway in English;
}

// The help of `tokenvpn-gateway`.
texts! { GatewayHelp in English;
}
