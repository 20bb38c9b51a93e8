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
    // What stands on a token, in lines: what a line is about, in at most 11 characters, and what
    // it says.
    about_token() = "Token";
    token_and_card(token, manufacturer, major, minor) =
        "{token} ({manufacturer}, OpenPGP card {major}.{minor})";
    about_room() = "Room";
    room_in_bytes(bytes) = "{bytes} bytes";
    about_pin() = "PIN";
    pin_tries_left(tries) = "tries left: {tries}";
    about_label() = "Label";
    about_card_name() = "Card name";
    about_name() = "Name";
    name_and_serial(name, serial) = "{name}, serial {serial}";
    about_issued() = "Issued";
    about_valid_from() = "Valid from";
    about_valid_until() = "Valid until";
    valid_until_revoked() = "it is revoked";
    about_public_key() = "Public key";
    about_gateway() = "Gateway";
    gateway_at(public_key, endpoints) = "{public_key}, at {endpoints}";
    gateway_with_preshared_key_at(public_key, endpoints) =
        "{public_key}, with a preshared key, at {endpoints}";
    about_addresses() = "Addresses";
    about_routes() = "Routes";
    about_dns() = "DNS";
    about_mtu() = "MTU";
    mtu_in_bytes(bytes) = "{bytes} bytes";
    about_keepalive() = "Keepalive";
    keepalive_off() = "off";
    keepalive_every(seconds) = "every {seconds} s";
    about_size() = "Size";
    size_of_room(bytes, room) = "{bytes} of {room} bytes";

    // Tokens in a list.
    no_token_to_list() = "No token is plugged in.";
    listed_without_label() = "empty, or issued without a label";
    listed_with_pin_blocked(label) = "{label}, PIN blocked";

    // What its two objects hold.
    label_until(name, day) = "{name}, until {day}";
    label_expired_on(name, day) = "{name}, expired on {day}";
    label_absent() = "no label";
    label_damaged(check) = "a damaged label ({check})";
    label_too_new(what) = "a newer tokenvpn's label ({what})";
    profile_of(name, serial) = "the profile of {name}, serial {serial}";
    profile_absent() = "no profile";
    profile_damaged(check) = "a damaged profile ({check})";
    profile_too_new(what) = "a newer tokenvpn's profile ({what})";
    data_of_another_program() = "another program's data";

    // Cards that a command cannot go on with, and what to do.
    token_absent() = "no token is plugged in";
    plug_in_any_token() = "plug in your YubiKey, Nitrokey or OpenPGP card";
    named_token_absent(token) = "the token {token} is not plugged in";
    plug_in_named_token() = "plug it in; tokenvpn token list shows what is there";
    token_was_removed() = "the token was removed";
    plug_in_and_start_over() = "plug it in again and start over";
    smart_cards_refused_to_user() = "the smart-card service refuses this user";
    run_where_logged_in() = "run it as root, or where you are logged in at the computer itself";
    admin_pin_blocked_for_good() = "the admin PIN is blocked, for good; nothing was erased";
    factory_reset_makes_new() =
        "the token still works with its PIN; only gpg --card-edit, factory-reset makes it new";
    reset_code_blocked() = "the reset code is blocked; nothing was erased";
    unblock_with_admin_pin() = "use the admin PIN: tokenvpn token unblock --admin";
    type_pin_in_terminal() = "type it in a terminal; a right one restores all tries";
    profile_beyond_room(bytes, room) =
        "the profile has {bytes} bytes, and this token has room for {room}";
    invite_with_fewer() = "invite again with fewer endpoints, routes or name servers";

    // Secrets that everybody knows, and those that are typed on the reader.
    factory_pin() = "this token still has the PIN of every new one, so anybody could use it";
    change_factory_pin() = "change it first: tokenvpn token pin (and the admin PIN: --admin)";
    factory_admin_pin() =
        "this token still has the admin PIN of every new one, so anybody could take it over";
    change_factory_admin_pin() = "change it first: tokenvpn token pin --admin";
    pin_unseen() =
        "warning: typed on the reader, the PIN is not seen here\n\
         hint: is it still the one of every new token? Change it: tokenvpn token pin";
    admin_pin_unseen() =
        "warning: typed on the reader, the admin PIN is not seen here\n\
         hint: is it still the one of every new token? Change it: tokenvpn token pin --admin";
    secrets_may_be_swapped() =
        "warning: the PIN and the key may reach this computer's swap\n\
         hint: run it as root, or allow more locked memory (ulimit -l)";
    reset_code_too_long() =
        "the code had more characters than the token's, and the card took the rest for the \
         beginning of the new PIN";
    type_rest_of_reset_code() =
        "type that rest before the new PIN, or unblock it again with the exact code";

    // Invitations.
    paste_invitation() = "Paste the invitation and end it with Ctrl-D.";
    invitation_unreadable(file, error) = "the invitation cannot be read from {file}: {error}";
    pasted_invitation_unreadable(error) =
        "the invitation cannot be read from standard input: {error}";
    who_makes_invitations() =
        "the administrator makes one: tokenvpn-gateway invite NAME | tokenvpn token issue";
    copy_invitation_whole() = "copy it whole, or have a new one made";
    update_for_invitation() = "update tokenvpn on this computer";
    invitation_or_clock_wrong() = "have a new one made; or is this computer's clock wrong?";
    invite_with_later_expiry() = "have one made with a later expiry";
    correct_gateway_configuration() =
        "have the gateway's configuration corrected and a new one made";
    invitation_of_another_name(own, invited) =
        "this token is {own}'s, and the invitation {invited}'s";
    invite_right_name() =
        "have the right name invited, or fill the token anew: tokenvpn token issue";
    invitation_of_another_address(own, invited) =
        "this token has the address {own}, and the invitation is for {invited}";
    // addresses: one, or more with --address between them.
    invite_this_address(name, addresses) =
        "have this address invited: tokenvpn-gateway invite {name} --address {addresses}";
    // lines: as above, each with its end; so below.
    not_taken_from_invitation(lines) =
        "Not taken from the invitation; a token has it once, for all its gateways:\n{lines}";

    // Gateways by their place on the token.
    which_gateway(gateways) =
        "this token knows {gateways} gateways, and --endpoint does not say whose";
    say_which_gateway() =
        "say which with --gateway, 1 for the first; tokenvpn token show lists them";
    no_such_gateway(place, gateways: u64) = {
        format!("there is no gateway {place}: this token knows {}", count(gateways, "gateway"))
    };
    show_lists_gateways() = "tokenvpn token show lists them";
    only_gateway() = "this is the only gateway that the token knows";
    add_gateway_or_erase() =
        "give it another one first (tokenvpn token add-gateway), or empty it (tokenvpn token \
         erase)";
    gateway_known_already() = "the gateway that made this invitation is on the token already";
    renew_with_known_gateway() = "renew the token with it: tokenvpn token renew";

    // What is about to be written, and lost.
    profile_impossible(error) = "no profile can be made of this: {error}";
    leave_out_of_profile() = "leave out endpoints, routes or name servers; nothing was written";
    correct_profile() = "correct that and start over; nothing was written";
    to_be_written(token, lines) = "For {token}:\n{lines}";
    no_longer_on_token(lines) = "No longer on the token:\n{lines}";
    // The only answer to the questions below that is a yes; they and the hints name it.
    yes_to_destroy() = "YES";
    // loss: a profile, or data of another program.
    overwrite_question(loss) = "This token holds {loss}. Type YES to overwrite it: ";
    loss_in_place_of_label(what) = "{what} in place of a label";
    loss_of_both(one, other) = "{one}, and {other}";
    not_overwritten() = "the token was not overwritten";
    not_overwritten_unasked() = "the token was not overwritten: there is no terminal to ask";
    to_be_erased(token, profile, label) = "{token} holds {profile}, and its label: {label}.";
    erase_question() = "Type YES to erase both for good: ";
    not_erased() = "the token was not erased";
    not_erased_unasked() = "the token was not erased: there is no terminal to ask";
    only_yes_destroys() = "it holds what it held; only YES, in capital letters, is a yes";
    answer_yes_in_terminal() = "run it in a terminal and answer YES; nothing was changed";
    nothing_to_erase(token) = "{token} holds nothing to erase.";

    // What was done.
    token_written(token) = "Written to {token} and read back.";
    token_issued(token) =
        "Written to {token} and read back. It is of use once the gateway has enrolled it: \
         tokenvpn-gateway enrol.";
    token_renewed(token) =
        "Written to {token} and read back. It connects again once the gateway has enrolled it.";
    token_has_further_gateway(token) =
        "Written to {token} and read back. It connects there too once that gateway has enrolled \
         it.";
    token_erased(token) = "{token} is empty now.";
    card_named(token, name) = "The card {token} is called {name} now.";
    // secret: the PIN, the admin PIN or the reset code.
    token_has_new_secret(token, secret) = "{token} has the new {secret}.";
    token_unblocked(token) = "{token} has the new PIN, with all its tries.";
    token_key_does_not_work() = "the key on the token does not work";
    use_another_token() = "start over; if it stays so, use another token";
    output_unwritable(error) = "the output cannot be written: {error}";
    is_reader_of_output_there() = "is the program that reads it still there?";

    // An error where it is not the end, as a sentence of its own.
    error_as_sentence(error) = {
        let text = error.to_string();
        let mut rest = text.chars();
        match rest.next() {
            Some(first) => format!("{}{}.", first.to_uppercase(), rest.as_str()),
            None => text,
        }
    };
}

// What `tokenvpn doctor` finds.
texts! { Doctor in English;
}

// `tokenvpn status`, once and live.
texts! { Status in English;
}

// What keeps a tunnel of `tokenvpn` from standing, its own faults, and its command line.
texts! { Tunnel in English;
    // The command line and the configuration file.
    bad_descriptor() = "a descriptor to read from is 0, or 3 and above";
    bad_interface() = "an interface name has 1 to 15 letters, digits, '-', '_' or '.'";
    interface_of_the_gateway() = "this name is the gateway's; choose another";
    bad_time() = "a time is a whole number of seconds, at least 1";
    bad_policy() = "it is immediate, grace:SECONDS or hold";
    bad_grace(most) = "a grace lasts 1 to {most} whole seconds";
    see_command_help() = "tokenvpn COMMAND --help shows how";
    config_unreadable(file, error) = "cannot read {file}: {error}";
    correct_or_remove_config() =
        "correct its permissions, or remove it: every option can be left out";
    config_may_set(keys) = "it may set {keys}";
    config_keys() = "token, interface, wait, ready-timeout, once, kill-switch and on-removal";
    started_by_hand() = "this is how tokenvpn starts itself";

    // Who holds the interface, and the supervisor there.
    interface_held(interface) = "another tokenvpn holds the interface {interface}";
    end_holder(command) = "end it with: {command}; or choose another --interface";
    directory_of_others(directory) = "{directory} is no directory that only this user writes to";
    remove_directory_of_others() =
        "remove it; a gateway on this computer needs another runtime_dir (gateway.toml)";
    run_as_root() = "run it as root";
    // holder: what is said of it above.
    holder_does_not_end(holder) = "{holder} and does not end";
    kill_holder() = "kill -9 the process, then tokenvpn down again: it puts everything back";
    may_not_end_tunnel(error) = "no permission to end the tunnel: {error}";
    may_not_ask_supervisor(interface, error) = "no permission to ask {interface}: {error}";
    supervisor_does_not_answer(interface) = "the supervisor of {interface} does not answer";
    end_with_down() = "tokenvpn down ends it; what is left of it is put back";

    // Files of the tunnel.
    cannot_open(file) = "cannot open {file}";
    cannot_read(file) = "cannot read {file}";
    cannot_write(file) = "cannot write {file}";
    cannot_mount_over(file) = "cannot mount over {file}";
    not_a_journal(file, reason) = "{file} is no journal of this version: {reason}";
    journal_of_version(version) = "version {version}";
    journal_of_strange_steps() = "it holds a step that no tunnel takes";
    look_at_journal() =
        "it lists what to undo: look at it, then remove it; tokenvpn doctor finds what is left";
    mounted_over() = "another mount lies over it";

    // Why there is no tunnel.
    may_not_make_tunnel() = "no permission to make a tunnel (CAP_NET_ADMIN)";
    device_cannot_be_opened(path, error) = "{path} cannot be opened: {error}";
    choose_free_interface() = "choose another name with --interface";
    networks_have_same_addresses() =
        "this computer's own network has the same addresses; use another network, or ask for \
         narrower routes";
    is_resolved_running() = "is systemd-resolved running? see: resolvectl status";
    is_there_a_resolv_conf() = "is there an /etc/resolv.conf? if not: touch /etc/resolv.conf";
    debug_log_tells_more() = "RUST_LOG=debug tells more";
    descriptors_not_kept() = "the tunnel's descriptors cannot be kept";
    ipv6_stays_off() = "IPv6 cannot be turned on for the tunnel, and is on beside it";
    name_servers_not_taken() = "resolvectl does not take the name servers";
    way_around_not_closed(error) = "the way around the tunnel cannot be closed: {error}";
    leave_the_way_open() = "leave out --kill-switch and --on-removal hold, or look at: ip rule";

    // Why there is no worker.
    memory_not_protected_for(error, errno) = "memory cannot be protected: {error} ({errno})";
    allow_locked_memory() = "run it as root, or allow CAP_IPC_LOCK";
    worker_not_confined(error) = "the worker cannot be confined: {error}";
    check_kernel_settings() =
        "it does not run unguarded: check this kernel's settings (seccomp, prctl)";

    // Mistakes of ours.
    please_report() = "this should not happen; RUST_LOG=debug tells more, please report it";
    program_failed(what) = "the program failed: {what}";
    // state: a state's name.
    state_is_no_error(state) = "{state} is no error";
    question_panicked() = "looking for it panicked";
    worker_ended() = "the worker ended unexpectedly";
    worker_deaf() = "the worker does not listen";
    worker_out_of_turn() = "the worker spoke out of turn";
    worker_moved_without_session() = "the worker moved without a session";
    worker_names_no_gateway() = "the worker named a gateway that does not exist";
    worker_told_nothing_to_begin_with() = "the worker was told to begin in the middle";
    worker_told_nothing_to_carry() = "the worker was told something else than to carry";
    worker_told_no_pin_order() = "the worker was told something else than to ask for the PIN";
    worker_has_nothing_to_go_on_with() = "the worker has nothing to go on with";
    worker_carries_already() = "the worker carries packets already";
    worker_got_no_descriptors() = "the worker got no descriptors";
    worker_got_no_candidates() = "the worker got no candidates";
    worker_got_candidate_of_no_gateway() = "the worker got a candidate of no gateway";
    answer_unreadable() = "the supervisor's answer cannot be read";
    protocol_failed() = "the tunnel's protocol failed again and again";

    // What the system refused, or a layer of ours.
    core_files_not_forbidden(cause) = "core files cannot be forbidden: {cause}";
    memory_not_protected(cause) = "memory cannot be protected: {cause}";
    signals_not_held(cause) = "signals cannot be held: {cause}";
    supervisor_does_not_start(cause) = "the supervisor does not start: {cause}";
    supervisor_cannot_wait(cause) = "the supervisor cannot wait: {cause}";
    worker_does_not_start(cause) = "the worker does not start: {cause}";
    supervisor_not_heard(cause) = "the supervisor cannot be heard: {cause}";
    worker_not_heard(cause) = "the worker cannot be heard: {cause}";
    removal_not_told(cause) = "a removal could not be told: {cause}";
    pin_cannot_be_asked(cause) = "the PIN cannot be asked: {cause}";
    gateway_not_added(cause) = "the gateway cannot be a peer: {cause}";
    packets_do_not_start(cause) = "the packet loop does not start: {cause}";
    packets_ended(cause) = "the packet loop ended: {cause}";
    gateways_not_asked(cause) = "the gateways cannot be asked: {cause}";
    terminal_unusable(cause) = "the terminal cannot be used: {cause}";

    // Why a message between our two processes is none.
    message_to_nobody() = "the other process is gone";
    message_is_missing() = "no message waits";
    message_out_of_bounds() = "a message breaks the bounds";
    message_malformed() = "a message cannot be understood";
    message_io_failed() = "the socket failed";
    impossible_gateways() = "a message holds an impossible number of gateways or endpoints";
    impossible_addresses() = "a message holds an impossible number of addresses";
    impossible_routes() = "a message holds an impossible number of allowed IPs";
    impossible_servers() = "a message holds an impossible number of name servers";
    impossible_mtu() = "a message holds an impossible MTU";
    impossible_keepalive() = "a message holds an impossible keepalive";
    impossible_failure() = "a message holds an impossible failure";
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
