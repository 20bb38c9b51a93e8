//! English.

use super::{argument, text, texts, translated};

pub(super) struct English;

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

/// `in 6 days`
fn in_days(days: u64) -> String {
    match days {
        0 => "within a day".into(),
        days => format!("in {}", count(days, "day")),
    }
}

/// `41 ms`
fn milliseconds(whole: u64) -> String {
    match whole {
        0 => "< 1 ms".into(),
        whole => format!("{whole} ms"),
    }
}

/// `Admin PIN` where a sentence begins with it.
fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => format!("{}{}", first.to_uppercase(), rest.as_str()),
        None => String::new(),
    }
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
    error_and_hint(what, hint) = "error: {what}\nhint: {hint}";

    waiting_for_any_token() =
        "Waiting for a token… plug in your YubiKey, Nitrokey or OpenPGP card. (Ctrl-C to stop)";
    waiting_for_the_token(token) = "Waiting for the token {token}… plug it in. (Ctrl-C to stop)";
    waiting_for_the_service() = "Waiting for the smart-card service… (Ctrl-C to stop)";
    waiting_for_a_change() = "Waiting until that changes, or for another token… (Ctrl-C to stop)";
    waiting_for_an_unseen_change() = "Waiting until that changes, or for another token… If nothing \
        happens once it has, pull it and put it in again. (Ctrl-C to stop)";
    no_token_was_plugged_in(seconds) = "no token was plugged in within {seconds} s";
    plug_it_in() = "plug it in and try again";
    no_service_answers() = "no smart-card service answers";
    start_the_service() = "try: sudo systemctl start pcscd.socket (Debian: apt install pcscd)";

    token_is_held(reader) = "there is a token in {reader}, but another program holds it";
    token_is_held_by(reader, holders) =
        "there is a token in {reader}, but another program holds it (likely {holders})";
    end_that_tokenvpn() =
        "that is a tokenvpn at work: answer what it asks, or end it (Ctrl-C, tokenvpn down)";
    end_that_program() = "end that program, or what it does with the token";
    end_scdaemon() = "try: gpg-connect-agent 'scd killscd' /bye, or put pcsc-shared into \
        ~/.gnupg/scdaemon.conf";
    // Two at least.
    several_tokens(number: usize, tokens) = "{number} tokens: {tokens}";
    choose_a_token() = "choose with --token, or pull the others";

    systemd_asks_for_the_pin(token, tries_left: u8) = {
        format!(
            "PIN for {token}, {} left: systemd asks for it (systemd-tty-ask-password-agent).",
            tries(tries_left)
        )
    };
    a_window_asks_for_the_pin(token, tries_left: u8) = {
        format!("PIN for {token}, {} left: a window asks for it.", tries(tries_left))
    };
    pin_was_wrong(tries_left: u8) = { format!("wrong PIN, {} left", tries(tries_left)) };
    pin_was_too_long(max) = "this token takes PINs of at most {max} bytes; no try was lost";
    start_with_the_right_pin() = "start again with the right one";
    last_try_of_the_pin() = "One try left: another mistake blocks the token.";
    pin_is_blocked() = "the PIN is blocked; nothing was erased";
    unblock_the_pin() = "unblock it with its reset code or admin PIN: tokenvpn token unblock";
    no_pin_was_given() = "no PIN was given";
    plug_in_again_to_be_asked() = "pull the token and plug it in again to be asked again";
    nobody_to_ask_for_the_pin() = "there is no terminal to ask for the PIN, and nobody else to ask";
    have_somebody_to_ask() = "run it in a terminal or as a service of systemd, install pinentry \
        where there is a display, or hand the PIN over with --pin-fd";
    given_pin_is_not_risked(tries_left: u8) = {
        format!("only {} left: a PIN that nobody typed is not risked", tries(tries_left))
    };
    type_the_pin_once() = "type the PIN once in a terminal; a right one restores all tries";

    token_is_empty() = "this token holds no VPN profile";
    get_a_profile() = "ask your administrator, or: tokenvpn token issue";
    token_is_foreign() = "this token holds another program's data instead of a VPN profile";
    look_at_the_token() = "use another token, or look at it first: tokenvpn token show";
    profile_is_damaged(check) = "the profile on this token is damaged ({check}); it was not used";
    label_is_damaged(check) = "the label on this token is damaged ({check}); it was not used";
    have_it_issued_again() = "ask your administrator to issue it again";
    profile_is_too_new(what) = "the profile on this token was written by a newer tokenvpn ({what})";
    label_is_too_new(what) = "the label on this token was written by a newer tokenvpn ({what})";
    update_this_tokenvpn() = "update tokenvpn on this computer";
    token_has_expired(day, days: u64) = {
        let ago = match days {
            0 => "less than a day ago".into(),
            days => format!("{} ago", count(days, "day")),
        };
        format!("this token expired on {day}, {ago} by this computer's clock; there is no tunnel")
    };
    have_it_renewed() = "ask your administrator to renew it";
    token_expires_soon(days: u64, day) = {
        format!("This token expires {} ({day}).", in_days(days))
    };
    token_is_not_yet_valid(day, today) =
        "this token is valid from {day}; by this computer's clock it is {today}";
    wait_or_set_the_clock() = "wait until then, or set the clock (timedatectl)";
    clock_is_not_right(today) = "this computer's clock ({today}) cannot be right";
    set_the_clock() = "set it (timedatectl), then try again";
    card_is_unsupported() = "this card cannot hold a profile (no private-use objects)";
    supported_cards() = "cards that can: YubiKey 5, Nitrokey 3, SmartPGP";
    plug_the_card_in_again() = "pull it, plug it in again, and try another port or reader";
    be_allowed_to_use_cards() = "run it as root, or install tokenvpn's polkit rule for pcscd";
    be_allowed_to_make_tunnels() = "run it as root (sudo tokenvpn …); in a container allow \
        CAP_NET_ADMIN and /dev/net/tun";

    looking_up(hosts) = "Looking up {hosts}…";
    connecting_to_address(endpoint, index, count) =
        "Connecting to {endpoint} ({index} of {count})…";
    connecting_to_host(endpoint, address, index, count) =
        "Connecting to {endpoint} at {address} ({index} of {count})…";
    no_gateway_answered(now) = "No gateway answered. Either UDP is blocked here, the gateways are \
        down, this token was revoked or is not enrolled yet, or this computer's clock ({now}) is \
        wrong.";
    names_not_looked_up(number: usize, names) = { match number {
        1 => format!("The name {names} cannot be looked up."),
        _ => format!("The names {names} cannot be looked up."),
    } };
    trying_again() = "Trying again: every 5 s, after ten minutes every 30 s.";
    nothing_looked_up(number: usize, names) = {
        let names = match number {
            1 => format!("The name {names}"),
            _ => format!("The names {names}"),
        };
        format!(
            "{names} cannot be looked up: is this computer on a network?\nTrying again every 5 s."
        )
    };
    no_gateway_answered_within(seconds) = "no gateway answered within {seconds} s";
    is_udp_let_out() = "is UDP let out here, is the clock right, is the token still enrolled?";

    // The gateway is an address, or a name with its address.
    connected_via(name, gateway) = "Connected as {name} via {gateway}.";
    connected_via_within(name, gateway, ms: u64) = {
        format!("Connected as {name} via {gateway}, {}.", milliseconds(ms))
    };
    what_is_connected(addresses, routes) = "{addresses}, routes {routes}.";
    what_is_connected_with_dns(addresses, routes, servers) =
        "{addresses}, routes {routes}, DNS {servers}.";
    pull_to_disconnect() = "Pull the token to disconnect.";
    network_changed() = "The network changed. Still connected.";
    gateway_lost() = "The gateway stopped answering.";
    moved_on(from, to, seconds: f64) = "{from} stopped answering; now on {to} ({seconds:.1} s).";
    moved_back(from, to) = "{to} answers again; now on it instead of {from}.";

    // What is gone, before what that has led to.
    token_is_out() = "Token removed.";
    token_is_out_of_sight() =
        "The smart-card service broke off, and nobody sees the token any more.";
    all_taken_down_within(seconds: f64) =
        "Keys erased, tunnel down, routes and DNS restored ({seconds:.2} s).";
    taken_down_and_closed_within(seconds: f64) = "Keys erased, tunnel down ({seconds:.2} s). Its \
        networks lead nowhere until it is back or you end this.";
    keys_erased_within(seconds: f64) = "Keys erased ({seconds:.2} s).";
    closing_unless_it_is_back(seconds) =
        "Token removed. Closing in {seconds} s unless it comes back…";
    token_is_back() = "The token is back. Still connected.";
    kill_switch_holds() = "Kill switch: until you end this, nothing leaves this computer but \
        through the tunnel and to its own links.";
    way_around_stays_closed(command) =
        "The way around the tunnel stays closed. Open it with: {command}";
    all_taken_down() = "Keys erased, tunnel down, routes and DNS restored.";
    opened_again() = "What was closed is open again.";

    // Phrases.
    number_of_tries(left: u8) = { tries(left) };
    time_left(days: u64) = { in_days(days) };
    round_trip_time(ms: u64) = { milliseconds(ms) };
    minute_in_utc(day, time) = "{day} {time} UTC";
}

// What `tokenvpn` asks people for. A secret is a PIN, an admin PIN or a reset code.
texts! { Prompt in English;
    secret_prompt(secret, token, tries_left: u8) = {
        let secret = capitalized(&secret.to_string());
        format!("{secret} for {token}, {} left: ", tries(tries_left))
    };
    type_on_reader(secret, token, tries_left: u8) = {
        let secret = capitalized(&secret.to_string());
        format!("{secret} for {token}, {} left: type it on the reader.", tries(tries_left))
    };
    change_on_reader(secret, token, tries_left: u8) = {
        let secret = capitalized(&secret.to_string());
        format!(
            "{secret} for {token}, {} left: type it on the reader, then the new one twice.",
            tries(tries_left)
        )
    };
    prove_on_reader(secret) =
        "Changed. Type the new {secret} once more on the reader, to prove it.";
    new_secret_unproven(secret) =
        "the {secret} is changed, but not proven to be the new one that was typed";
    old_one_typed_too_long() = "if the token refuses it, the old one was typed too long: what was \
        too much stands before it";
    reader_may_still_ask() = "nothing was changed; if the reader still asks, press its cancel key";

    wrong_secret(secret, tries_left: u8) = {
        format!("Wrong {secret}. {} left.", tries(tries_left))
    };
    last_try_of_the_admin_pin() =
        "One try left: another mistake blocks the admin PIN, and nothing unblocks it.";
    last_try_of_the_reset_code() = "One try left: another mistake blocks the reset code.";
    // What is typed if it is meant.
    last_try_yes() = "YES";
    last_try_question(yes) = "Type {yes} to use it, or Ctrl-C: ";

    new_secret(secret) = "New {secret}: ";
    new_secret_again(secret) = "The new {secret} again: ";
    new_secret_known_to_all(secret) = "every new token has this {secret}; choose another";
    new_secrets_differ() = "these two differ";

    // The fields of a window.
    pin_field() = "PIN:";
    answer_field(answer) = "{answer}:";

    something_came_first() = "something else came first";
    no_terminal_for_the_pin() = "there is no terminal to ask for the PIN";
    program_cannot_ask(program, what) = "{program} cannot ask for the PIN: {what}";
    program_makes_no_sense() = "it makes no sense";
    program_says_too_much() = "it says too much";
    program_ended() = "it ended";
    program_fails() = "it fails";
    pin_unreadable_from_descriptor(number) = "the PIN cannot be read from descriptor {number}";
    pin_unreadable_from_its_descriptor() = "the PIN cannot be read from its descriptor";
    pin_unreadable_from_file(path) = "the PIN cannot be read from {path}";

    // What to do without a PIN.
    no_pin_nothing_changed() = "nothing was changed";
    hand_the_pin_over() = "run it in a terminal, or hand the PIN over with --pin-fd";
    bad_pin_nothing_changed() = "the token was not asked; nothing was changed";
    is_the_pin_readable() = "is the descriptor open, and the credential readable?";
    open_the_pin_descriptor() = "open it, as in: --pin-fd 9 9<FILE";
    correct_the_credential() = "correct the unit's LoadCredential=, or leave it out";
    hand_over_a_pin_alone() = "what is handed over has to be the PIN and nothing else";
    no_terminal_for_secrets() = "there is no terminal to ask on";
    secrets_are_typed() = "run it in a terminal: these secrets are only typed";
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
