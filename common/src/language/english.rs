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

// The help of `tokenvpn`; no full stop behind the first sentence of one, as usual.
texts! { Help in English;
    help_exit_status() = "Exit status:";
    help_exit_done() = "It did what it was to do; up: somebody ended it; status: the tunnel is up";
    help_exit_other() = "Anything that has no code of its own; doctor: something is wrong, or left";
    help_exit_usage() = "The command line or a configuration file is wrong, or there are several \
        tokens to choose from; up waits on a terminal until there is one";
    help_exit_no_token() = "No token is plugged in, or none was within --wait; status: the tunnel \
        is not up";
    help_exit_pin() = "The PIN was wrong, or was not given";
    help_exit_pin_blocked() = "The PIN is blocked";
    help_exit_expired() = "The profile or the invitation has expired";
    help_exit_damaged() = "The profile is damaged, or was written by a newer tokenvpn";
    help_exit_empty() = "The token holds no profile";
    help_exit_no_gateway() = "No gateway has answered within --ready-timeout";
    help_exit_removed() = "The token was removed: with --once, or before a command was done";
    help_exit_busy() = "Another program holds the token";
    help_exit_no_permission() = "A permission is missing";
    help_exit_no_service() = "No smart-card service answers";
    help_exit_clock() = "This computer's clock is wrong, or the profile is not yet valid";
    help_exit_unsupported() = "The card cannot hold a profile";
    help_exit_internal() = "A mistake of tokenvpn itself";

    help_json() = "Print JSON";
    help_about() = "A VPN that you carry: everything it needs comes from an OpenPGP card token";
    help_up() = "Wait for a token, ask for its PIN and hold the tunnel until the token is pulled";
    help_down() = "End a running `up` and put everything back";
    help_status() = "Say whether the tunnel is up";
    help_doctor() = "Look for what keeps the tunnel from working, and say what to do about it";
    help_token() = "Look at tokens, fill and empty them";

    help_up_token() = "Use this token only, as in 0006:12345678";
    help_pin_fd() = "Read the PIN from this open descriptor; it is tried once";
    help_interface() = "Name of the tunnel device [default: tokenvpn]";
    help_up_wait() = "Give up (exit 3) when no token is plugged in within this time";
    help_up_ready_timeout() = "Give up (exit 9) when no gateway answers within this time";
    help_up_once() = "End with the first token: at its removal (exit 10) or at what is wrong with \
        it";
    help_up_kill_switch() = "Let nothing out of this computer but through the tunnel";
    help_up_kill_switch_more() = "From the start, before any token, until it is ended (Ctrl-C, \
        `tokenvpn down`): whatever would leave by a default route is refused. Networks to which \
        the routing table knows a way of their own stay reachable, the local network above all, \
        and the tunnel's own datagrams pass. If it ends otherwise, or is killed, all stays closed \
        until `tokenvpn down`. A gateway given by name needs a name server in the local network. \
        Programs that bind themselves to a network device still reach what is on that link.";
    help_up_on_removal() = "What the removal of the token means: immediate, grace:SECONDS or hold \
        [default: immediate]";
    help_up_on_removal_more() = "immediate: keys and tunnel go at once, however short the token \
        was out; a reader that the smart-card service looks at only now and then hides a shorter \
        absence than that.\n\n\
        grace:SECONDS, at most 60: the tunnel stands still, nothing is sent, and it goes on \
        without a PIN if the same token comes back in time. Its keys stay in memory meanwhile, and \
        a token is known by its number alone, which a fake card can have too.\n\n\
        hold: keys and tunnel go at once, but the networks of the profile lead nowhere until a \
        token opens a tunnel again or it is ended as above.";
    help_up_json() = "Print one event a line on stdout, as JSON";
    help_up_more() = "tokenvpn-up(8) tells where the PIN may come from, which files there are, and \
        what --json prints.";

    help_status_watch() = "Go on showing it every second, with rates, until q is pressed; with \
        --json one object a line";

    help_doctor_gateways() = "Ask the gateways of a token, with its PIN, whether they answer it";
    help_doctor_gateways_more() = "Each of their addresses has five seconds for the first two \
        messages of a tunnel. No tunnel is made; a gateway takes this computer for the token's \
        place until it is heard from elsewhere. While `tokenvpn up` has a token, its gateway is \
        told instead, and no PIN is asked.";
    help_doctor_residue() = "Look instead for anything that tokenvpn has left on this computer";

    help_token_list() = "List the tokens that are plugged in";
    help_token_show() = "Show what a token holds: with its PIN everything but the secrets";
    help_token_issue() = "Make a key and write it to a token, with what an invitation says";
    help_token_renew() = "Give a token a new expiry, and what else a new invitation of the same \
        name says";
    help_token_add_gateway() = "Give a token one more gateway to go over to, from that gateway's \
        invitation";
    help_token_edit() = "Change where a token connects to and what it routes, or its name";
    help_token_erase() = "Erase profile and label from a token";
    help_token_pin() = "Change a token's PIN, its admin PIN or its reset code";
    help_token_unblock() = "Give a token whose PIN is blocked or forgotten a new one";
    help_token_more() = "The PIN is asked for as by tokenvpn up, see tokenvpn-up(8): on the \
        reader's keypad if it has one. The admin PIN is typed there too, or else on the terminal. \
        Not seen by this computer, neither can be told from the one that every new token has.";
    help_token_pin_more() = "Where the reader has a keypad on which PINs can be changed, PIN and \
        admin PIN are changed there, and proven by typing the new one once more; unless only one \
        try is left. Otherwise, as always for a reset code, the new one is typed on the terminal, \
        and so is the PIN or admin PIN that it replaces.";
    help_token_unblock_more() = "The admin PIN is typed on the reader's keypad if it has one. The \
        reset code and the new PIN are not for a keypad: they are typed on the terminal. Whoever \
        wants a PIN that this computer has not seen changes it afterwards: tokenvpn token pin.";
    help_which_token() = "Use this token, as in 0006:12345678";

    help_issue_no_label() = "Write no label: nobody learns the token's name without its PIN";
    help_issue_card_name() = "Call the card itself so, for whoever asks it without a PIN; needs \
        the admin PIN";
    help_issue_invitation() = "The invitation [default: standard input]";

    help_renew_new_key() = "Make a new key; the gateway forgets the old one when it enrols this \
        one";
    help_renew_invitation() = "The new invitation [default: standard input]";

    help_add_gateway_invitation() = "The other gateway's invitation [default: standard input]";

    help_edit_endpoint() = "Reach the gateway here; several times: in this order";
    help_edit_gateway() = "Whose endpoints they are, on a token with several gateways: 1 for the \
        first";
    help_edit_remove_gateway() = "Take this gateway off the token: 1 for the first";
    help_edit_route() = "Route this network into the tunnel; several times: these, and no other";
    help_edit_dns() = "Use this name server while the tunnel is up; several times: these";
    help_edit_no_dns() = "Use no name server of the tunnel's";
    help_edit_name() = "Call the token so; the gateway keeps the name that it knows";

    help_pin_admin() = "Change the admin PIN instead";
    help_pin_reset_code() = "Set the reset code instead, with the admin PIN: who has the code can \
        unblock the PIN";

    help_unblock_admin() = "Use the admin PIN even if the token has a reset code";
}

// What only its manual pages say.
texts! { Manual in English;
    // The exit status of a subcommand, in man(7): the page that has it is a line of its own.
    manual_see(page) = "See\n{page}.";

    manual_pin_sources() = "PIN SOURCES";
    manual_pin_sources_begin() = "The PIN comes from the first of these that there is. It is in no \
        argument and no environment variable, and a wrong one is never tried again. One that \
        nobody types is tried once, and only while the token's tries are full.";
    manual_pin_fd() = "One line on a descriptor that is open already: --pin-fd 9 9<FILE. Nobody \
        types it.";
    manual_credential() = "The systemd credential pin";
    manual_credential_use() = "LoadCredential=pin:FILE or LoadCredentialEncrypted=pin:FILE in the \
        unit, see systemd.exec(5). Nobody types it.";
    manual_keypad() = "The reader's keypad";
    manual_keypad_use() = "If it has one; the PIN does not pass through this computer. Not for the \
        last try, before which a YES is asked for.";
    manual_terminal() = "The terminal";
    manual_terminal_use() = "The one that it was started on, without echo; never standard input.";
    manual_pinentry() = "Where it is installed and there is a display, or GPG_TTY is set.";
    manual_agent() = "Where it runs as a service of systemd; answered with \
        systemd-tty-ask-password-agent.";

    manual_config_file(keys) = "What the command line leaves out: {keys}, as in kill-switch = true \
        or on-removal = \"hold\". It holds no secret.";
    manual_runtime_files() = "Lock, control socket and journal of each tunnel. Whatever a killed \
        one leaves there is put back by the next tokenvpn up or down.";
    manual_wireguard_socket() = "For wg show.";
    manual_resolv_conf() = "Another file is mounted over it while there is a tunnel with name \
        servers and no systemd-resolved.";

    manual_states() = "JSON STATES";
    manual_states_begin() = "With --json each line on standard output is an object. Its state has \
        one of the names below; beside it are the fields in parentheses, of which those that have \
        nothing to say are left out. Moments are in Unix seconds. A state that ends it, at once or \
        because there is no terminal, has what, hint and code too: the two lines that people read, \
        and the exit status. Later versions may add states and fields. The state in tokenvpn \
        status --json has the same names, and down.";
    manual_state_waiting_token() = "No token is plugged in, or not the one that was named";
    manual_state_waiting_change() = "What was told before stays so until the token changes, or \
        another comes; unlabelled: a change to it may go unseen until it is put in again";
    manual_state_waiting_service() = "The smart-card service has broken off, and is waited for";
    manual_state_no_token() = "No token came within --wait";
    manual_state_no_service() = "The smart-card service does not answer";
    manual_state_pick_token() = "Several tokens are plugged in, each with token and name";
    manual_state_pin() = "The PIN is asked for, in one of these sources: pinpad, terminal, \
        pinentry, agent";
    manual_state_pin_wrong() = "The token refused a PIN";
    manual_state_pin_too_long() = "The token takes shorter PINs only, and was not asked";
    manual_state_pin_last() = "One try is left, and has to be confirmed";
    manual_state_pin_blocked() = "No try is left";
    manual_state_pin_cancelled() = "The PIN was asked for and not given";
    manual_state_pin_missing() = "There is nobody to ask for the PIN";
    manual_state_pin_untried() = "A PIN that nobody typed was not tried, as a try is lost already";
    manual_state_foreign() = "The token holds another program's data in place of a profile";
    manual_state_damaged() = "A profile or label fails a check, and was not used";
    manual_state_too_new() = "Only a newer tokenvpn can read the profile or label";
    manual_state_expired() = "The profile has expired";
    manual_state_expires_soon() = "The profile expires within 14 days";
    manual_state_not_yet_valid() = "The profile is valid only later";
    manual_state_clock() = "This computer's clock cannot be right";
    manual_state_unsupported_card() = "The card has no room for a profile";
    manual_state_card_failed() = "The card or its reader does not do as it should";
    manual_state_no_permission() = "A permission is missing; cards: to ask the cards";
    manual_state_resolving() = "Names of gateways are looked up";
    manual_state_connecting() = "A gateway is tried";
    manual_state_unreachable() = "No gateway has answered, or no name could be looked up (tried: \
        there was an address); it is tried again";
    manual_state_no_gateway() = "No gateway answered within --ready-timeout";
    manual_state_up() = "The tunnel is up";
    manual_state_roamed() = "This computer's network has changed, and the gateway still answers";
    manual_state_lost() = "The gateway no longer answers; all are tried again";
    manual_state_moved() = "The tunnel goes on through another endpoint, after so many seconds of \
        silence";
    manual_state_token_removed() = "The token is out, and all that was there for it is gone; \
        tunnel: there was one; closed: its networks lead nowhere; reason: pulled or service_lost";
    manual_state_token_grace() = "The token is out, and has this long to come back";
    manual_state_token_back() = "The token came back in time, and the tunnel goes on";
    manual_state_kill_switch() = "From now on nothing leaves but through the tunnel";
    manual_state_stays_closed() = "It ends, and the way around the tunnel stays closed";
    manual_state_down() = "It was ended; tunnel: there was one; opened: so is what led nowhere \
        without it";
    manual_state_failed() = "Anything else that went wrong";
}

// `tokenvpn-gateway`.
texts! { Gateway in English;
}

// The help of `tokenvpn-gateway`.
texts! { GatewayHelp in English;
}
